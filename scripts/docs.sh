#!/bin/sh
# SPDX-License-Identifier: PostgreSQL
# Makes a page of the site at /docs: scripts/docs.sh docs/NAME.md >NAME.html
# Debian's cmark-gfm reads the Markdown (it is cmark and GitHub's tables; raw HTML is left out unless one asks for it). What it
# has not is made here: ids of headings, the same as GitHub's, so that one link is right in both places; links to NAME.md, which are
# /docs/NAME here; frames for what is too wide for a phone. The navigation is docs/index.md, the one list of all pages.
set -eu
export LC_ALL=C
source=$1
name=$(basename "$source" .md)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v cmark-gfm >/dev/null || {
    echo "scripts/docs.sh: cmark-gfm is missing: run 'make deps' first" >&2
    exit 1
}
html() {
    cmark-gfm -e table "$1" | sed -e '/^<!-- raw HTML omitted -->$/d' -e 's|href="index\.md|href="/docs/|' \
        -e 's|href="\([a-z-]*\)\.md|href="/docs/\1|g' -e 's|href="\([a-z]*\.service\)"|href="/docs/\1"|g' \
        -e 's|<table>|<div class="wide" role="region" aria-label="Table" tabindex="0"><table>|' \
        -e 's|</table>|</table></div>|' -e 's|<pre>|<pre tabindex="0">|'
}

# The text with ids, and beside it a list of its sections for the navigation.
html "$source" | awk -v sections="$work/sections" '
    function slug(text,   n) {
        gsub(/<[^>]*>/, "", text)
        gsub(/&[a-z]+;|\342\200[\200-\277]/, "", text) # entities, and U+2000 to U+203F: dashes and quotes
        text = tolower(text)
        gsub(/[!-,.\/:-@[-^`{-~]/, "", text)
        gsub(/ /, "-", text)
        n = seen[text]++
        return n ? text "-" n : text
    }
    /^<h[1-6]>.*<\/h[1-6]>$/ {
        level = substr($0, 3, 1)
        text = substr($0, 5, length($0) - 9)
        id = slug(text)
        if (level == 2) printf "<li><a href=\"#%s\">%s</a></li>\n", id, text >sections
        if (level > 1 && text !~ /<a /) text = "<a href=\"#" id "\">" text "</a>"
        printf "<h%d id=\"%s\">%s</h%d>\n", level, id, text, level
        next
    }
    { print }' >"$work/text"
touch "$work/sections"
title=$(sed -n 's/^# //p' "$source" | head -1 | sed 's/&/\&amp;/g; s/</\&lt;/g')

navigation() {
    html docs/index.md | sed -n 's|^<h2>\(.*\)</h2>$|<h2>\1</h2>|p; s|^<li>\(<a href="/docs/[^>]*>[^<]*</a>\).*|<li>\1</li>|p; /^<\/*ul>$/p' |
        sed "s|<a href=\"/docs/$name\">|<a href=\"/docs/$name\" aria-current=\"page\">|" |
        awk -v sections="$work/sections" '
            /aria-current/ && (getline line <sections) > 0 {
                sub(/<\/li>$/, "")
                print $0 "<ul>" line
                while ((getline line <sections) > 0) print line
                print "</ul></li>"
                next
            }
            { print }'
}

cat <<HTML
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · pgherald</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<link rel="stylesheet" href="/docs.css">
</head>
<body class="docs">
<header class="bar"><a class="home" href="/docs/"><img src="/icon.svg" alt="">pgherald</a><span class="title">documents</span><span class="space"></span><a class="to-all" href="#all">All documents</a></header>
<main>
$(cat "$work/text")
</main>
<nav id="all" aria-label="Documents">
$(navigation)
</nav>
</body>
</html>
HTML
