// SPDX-License-Identifier: PostgreSQL
// The fenced blocks of a page of the documents, as a script for bash that does what a reader does, from top to bottom, in one shell
// and in a database `shop` of its own:
//
//     ```sh, ```sql     are run, and any error ends it
//     ```console        lines after "$ " are run; what they print must be what stands below them
//     ```sh no-run: …   cannot be run here, for the reason behind the colon
//
// tests/docs/PAGE.sql and PAGE.sh are what the page takes for granted. `pgherald serve` goes on in the background once it is ready, until the
// next one that does not listen elsewhere, and `pgherald tail` once it has joined: what the page does later has to arrive there.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../../..', import.meta.url));

/** [{ line, language, reason, text }] of docs/NAME.md, or README.md; reason: why it cannot be run. */
export function blocksOf(path) {
    const blocks = [];
    const text = readFileSync(`${top}${path}`, 'utf8');
    for (const { 1: language, 2: rest, 3: body, index } of text.matchAll(/^ *```(\w+)(.*)\n([^]*?)^ *```$/gm)) {
        const [, reason] = rest.match(/^ no-run: (.+)$/) ?? [];
        if (rest && !reason) throw new Error(`${path}: "${language}${rest}" is neither a language nor one with " no-run: REASON"`);
        if (['sh', 'sql', 'console'].includes(language)) blocks.push({ line: text.slice(0, index).split('\n').length, language, reason, text: body });
    }
    return blocks;
}

const PRELUDE = `set -euo pipefail
served=
others=
tailed=
end() { [ -z "$1" ] || { kill "$1"; wait "$1" || true; }; }
trap 'for each in $tailed $others $served; do end "$each"; done' EXIT
has_begun() { # PID FILE LINE: it prints that, or ends
    for _ in $(seq 600); do
        ! grep -q "$3" "$2" || return 0
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    cat "$2" >&2
    return 1
}
pgherald() {
    case $1 in
    serve)
        case $* in *--listen*) others="$others $served" ;; *) end "$served" ;; esac
        log=serve.$RANDOM.log
        "$BINARY" "$@" >"$log" 2>&1 & served=$!
        has_begun "$served" "$log" ^ready ;;
    tail)
        "$BINARY" "$@" >tail.out 2>tail.log & tailed=$!
        has_begun "$tailed" tail.log ' on .*, at ' ;;
    *) "$BINARY" "$@" ;;
    esac
}
`;

const ARRIVED = `
[ -z "$tailed" ] || for _ in $(seq 100); do [ -s tail.out ] && break; sleep 0.1; done
[ -z "$tailed" ] || [ -s tail.out ] || { echo 'nothing has come to pgherald tail' >&2; cat tail.log >&2; exit 1; }
`;

const consoleScript = (text) => text.split(/^(?=\$ )/m).map((part) => {
    const [command, ...printed] = part.trimEnd().split('\n');
    return `printed=$({ ${command.slice(2)}; } 2>&1) || true\n[ "$printed" = "$(cat <<'PRINTED'\n${printed.join('\n')}\nPRINTED\n)" ] || { echo "$printed" >&2; exit 1; }\n`;
}).join('');

const psql = (text) => `psql -Xq -v ON_ERROR_STOP=1 <<'SQL'\n${text}SQL\n`;
const AS_SCRIPT = { sh: (text) => text, sql: psql, console: consoleScript };

/** The script; what it prints as "@@ PATH:LINE" before each block says how far it came. */
export function scriptOf(path) {
    const page = path.replace(/^docs\/|\.md$/g, '').toLowerCase();
    const given = (ending) => (existsSync(`${top}tests/docs/${page}.${ending}`) ? readFileSync(`${top}tests/docs/${page}.${ending}`, 'utf8') : '');
    const sql = given('sql');
    const steps = blocksOf(path).filter(({ reason }) => !reason).map(({ line, language, text }) => `echo "@@ ${path}:${line}"\n${AS_SCRIPT[language](text)}`);
    return `${PRELUDE}${sql && psql(sql)}${given('sh')}\n${steps.join('\n')}${ARRIVED}`;
}
