// SPDX-License-Identifier: PostgreSQL
// Tokens as an application's own sign-in would make them: signed here with node's crypto, not with the code under test.
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './process.js';

export const SECRET = 'a secret that only this test and its server know';

const base64url = (value) => Buffer.from(value).toString('base64url');

// A JWT under the shared secret; `exp` in an hour unless the claims say otherwise.
export function mint(claims, { secret = SECRET, header = {} } = {}) {
    const head = base64url(JSON.stringify({ alg: 'HS256', typ: 'JWT', ...header }));
    const body = base64url(JSON.stringify({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims }));
    const signature = createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url');
    return `${head}.${body}.${signature}`;
}

export const user = (dbo_id, row_id, extras = {}) => mint({ dbo_id, row_id, extras });

// One that ends within a second, so near that a client renews it no more; the server accepts it for its leeway longer, five seconds. Made when
// all else is ready, never before a page is open.
export const soon = (claims = { dbo_id: 12, row_id: 1 }) => mint({ exp: Math.floor(Date.now() / 1000) + 1, ...claims });

// The flags for a server that knows the secret.
export function secretFlags(secret = SECRET) {
    const path = join(temporaryDirectory('secret'), 'token-secret');
    writeFileSync(path, `${secret}\n`, { mode: 0o600 });
    return ['--token-secret-file', path];
}
