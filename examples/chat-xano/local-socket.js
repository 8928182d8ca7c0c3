// SPDX-License-Identifier: PostgreSQL
/*
 * The SDK always dials wss:// on port 443 of the instance's host: it drops scheme, port and path of instanceBaseUrl.
 * A development server has no TLS and another port. So where the page itself came by plain http, the global WebSocket
 * is replaced by a subclass that turns the SDK's address into the page's own. The SDK is not touched; behind TLS on 443
 * this file does nothing.
 *
 * A classic script, not a module: it has to run before the SDK's bundle, which is one too.
 */
if (location.protocol === 'http:') {
    globalThis.WebSocket = class extends WebSocket {
        constructor(url, protocols) {
            super(`ws://${location.host}${new URL(url).pathname}`, protocols);
        }
    };
}
