-- SPDX-License-Identifier: PostgreSQL
-- What the board needs from the database: a table, a watch, and a function by which browsers write. Running it again changes
-- nothing: the cards that are there stay.

-- Everybody reads the cards, and is listed as being here.
select herald.set_rule('tasks/cards', anonymous_clients => true, presence => true);

do $$
begin
  if to_regclass('demo.cards') is not null then
    return;
  end if;

  create schema if not exists demo;

  -- The browser makes the key, so that a new card has its place before the database knows of it.
  create table demo.cards (
    id         uuid primary key,
    title      text not null check (title <> '' and length(title) <= 80),
    done       boolean not null default false,
    made_by    text not null,
    made_at    timestamptz not null default clock_timestamp(),
    changed_by text not null
  );
  comment on table demo.cards is 'The example examples/board: change it, and watch the board.';

  perform herald.watch('demo.cards', channel => 'tasks/cards', snapshot => true);

  insert into demo.cards (id, title, done, made_by, made_at, changed_by)
  select gen_random_uuid(), x.title, x.done, x.who, clock_timestamp() + x.nth * interval '1 ms', x.who
  from (values (1, 'Find the Tesseract', true, 'Captain America'), (2, 'Polish the shield', false, 'Captain America'),
               (3, 'Return the hammer', false, 'Thor'), (4, 'Book a table for shawarma', false, 'Iron Man')) as x (nth, title, done, who);
end
$$;

-- How a page writes without a server of its own: it sends a private message **to itself** on the channel tasks/write, and this function
-- is asked before it is delivered. So the message is a call, and what is delivered is the answer. The function runs with its owner's
-- rights, in a transaction of its own, and gets who calls from the server, which knows it from the token. An exception refuses: the
-- page gets its text, and nothing was written.
create or replace function demo.write_card(action text, channel text, client json, options json, payload json) returns json
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  me   constant text := client #>> '{extras,name}';
  card constant uuid := payload ->> 'id';
begin
  if options ->> 'socketId' is distinct from client ->> 'socketId' then
    raise exception 'Write to yourself: the answer is for you alone.';
  end if;
  if (payload ->> 'title') = '' or length(payload ->> 'title') > 80 then
    raise exception 'A title has 1 to 80 characters.';
  end if;
  case payload ->> 'do'
    when 'add' then
      insert into demo.cards (id, title, made_by, changed_by) values (card, payload ->> 'title', me, me);
    when 'change' then
      update demo.cards as c
      set title = coalesce(payload ->> 'title', c.title), done = coalesce((payload ->> 'done')::boolean, c.done), changed_by = me
      where c.id = card;
    when 'remove' then
      delete from demo.cards as c where c.id = card and c.made_by = me;
      if not found and exists (select from demo.cards as c where c.id = card) then
        raise exception 'Who made a card may remove it: ask %.', (select c.made_by from demo.cards as c where c.id = card);
      end if;
    else
      raise exception 'There is no such thing to do.';
  end case;
  return json_build_object('call', payload -> 'call', 'txid', pg_current_xact_id()::text);
end
$$;
comment on function demo.write_card(text, text, json, json, json) is 'Called by the server for each message to tasks/write.';
grant usage on schema demo to herald_caller;
grant execute on function demo.write_card(text, text, json, json, json) to herald_caller;

-- Private messages between signed-in clients, and nothing else.
select herald.set_rule('tasks/write', private_messaging => true, private_auth => true, on_message => 'demo.write_card');
