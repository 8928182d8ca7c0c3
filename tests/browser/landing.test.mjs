// SPDX-License-Identifier: PostgreSQL
/**
 * The landing page and what all pages stand on: every link leads somewhere, the state of the server is told, and the
 * client module works in a browser with a token as subprotocol.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { assertQuiet, Site, takePictures, until } from './support.mjs';

let site;
before(async () => { site = await Site.start(); });
afterEach(() => site.closePages());
after(() => site.stop());

test('the landing page says that the server is ready, where the socket is, and leads to the examples', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/`);
    await page.getByText('Ready', { exact: true }).waitFor();
    const address = `${site.url.replace('http', 'ws')}/rt/${site.server.canonical}`;
    await until('the address of the socket', async () => (await page.textContent('#socket')) === address);
    await takePictures(page, 'landing');
    const links = await page.$$eval('a[href]', (anchors) => anchors.map(({ href }) => href));
    assert.equal(new Set(links).size, 7);
    for (const link of links) {
        const response = await fetch(link);
        assert.equal(response.status, 200, link);
    }
    assertQuiet(page);
});

test('when the server goes, the landing page says so', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/`);
    await page.getByText('Ready', { exact: true }).waitFor();
    site.cut();
    await page.getByText('The server does not answer. Is it still running?').waitFor();
    site.mend();
    await page.getByText('Ready', { exact: true }).waitFor();
});

test('a token of 4 KiB is echoed, or the browser would drop the connection', async () => {
    const page = await site.page();
    await page.goto(`${site.url}/`);
    for (const token of ['eyJhbGciOiJub25lIn0.e30.x', `t${'-._~'.repeat(1023)}`]) {
        const protocol = await page.evaluate(async ([canonical, token]) => {
            const { connect } = await import('/pgherald.js');
            let socket;
            class Watched extends WebSocket {
                constructor(...args) { super(...args); socket = this; }
            }
            const herald = connect({ canonical, token, WebSocket: Watched });
            const status = await new Promise((resolve) => herald.on('status', resolve));
            herald.close();
            return status.status === 'connected' ? socket.protocol : status;
        }, [site.server.canonical, token]);
        assert.equal(protocol, token);
    }
    assertQuiet(page);
});
