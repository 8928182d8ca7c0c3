// As `pgherald types` writes it.
export interface Watches {
  "demo.cards": {
    channel: `tasks/cards`;
    key: "id";
    row: {
      id: string;
      title: string;
      done: boolean;
    };
  };
  "public.orders": {
    channel: `orders/${string}`;
    key: "id" | "part";
    row: {
      id: string;
      part: number;
      status: "new" | "late";
      total: string | null;
    };
  };
}
