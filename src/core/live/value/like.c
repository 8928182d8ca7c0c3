/* SPDX-License-Identifier: PostgreSQL */
/* A pattern is cut at its % into pieces: the first stands at the text's beginning, the last at its
 * end, and each in between wherever it comes first behind the one before. Taking the first place is
 * never wrong, because what is left of the text then is the most that can be left. So nothing is ever
 * tried again, and a text of a megabyte costs as much as it is long (memmem is linear), times the
 * piece's length where a piece has _ in it.
 *
 * In a piece _ is the byte 0xff, which is in no UTF-8. Everything is bytes: a piece begins with a
 * whole character, and in UTF-8 no character begins inside of another. */
#include "core/live/value/like.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum { ANY_ONE = 0xFF };

struct piece {
    size_t at; /* in bytes */
    size_t len;
    size_t n_chars;
    bool has_any;
};

struct like {
    struct buf bytes;
    struct piece *pieces; /* between the %: one more than there are of them */
    size_t n_pieces;
};

static bool is_inside(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

static struct piece *add_piece(struct like *like)
{
    like->pieces = mem_array(like->pieces, like->n_pieces + 1, sizeof(*like->pieces));
    struct piece *piece = &like->pieces[like->n_pieces++];
    *piece = (struct piece){.at = like->bytes.len};
    return piece;
}

static void add_byte(struct like *like, char c, bool is_any)
{
    struct piece *piece = &like->pieces[like->n_pieces - 1];
    buf_char(&like->bytes, is_any ? (char)ANY_ONE : c);
    piece->len++;
    piece->has_any = piece->has_any || is_any;
    piece->n_chars += is_any || !is_inside(c);
}

static bool compile(struct like *like, struct str pattern)
{
    add_piece(like);
    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (c == '%') {
            add_piece(like);
        } else if (c != '\\') {
            add_byte(like, c, c == '_');
        } else if (++i < pattern.len) {
            add_byte(like, pattern.ptr[i], false);
        } else {
            return false;
        }
    }
    for (size_t i = 1; i + 1 < like->n_pieces; i++) {
        if (like->pieces[i].has_any && like->pieces[i].n_chars > LIKE_PIECE_MAX) {
            return false;
        }
    }
    return true;
}

struct like *like_new(struct str pattern)
{
    struct like *like = mem_zalloc(sizeof(*like));
    if (!compile(like, pattern)) {
        like_free(like);
        return NULL;
    }
    return like;
}

void like_free(struct like *like)
{
    if (like) {
        buf_release(&like->bytes);
        free(like->pieces);
        free(like);
    }
}

/* Behind the character. */
static const char *step(const char *p, const char *end)
{
    p++;
    while (p < end && is_inside(*p)) {
        p++;
    }
    return p;
}

/* Behind the piece if it stands at p, or NULL. */
static const char *match_at(const struct like *like, const struct piece *piece, const char *p,
                            const char *end)
{
    if (piece->len == 0) {
        return p;
    }
    const char *bytes = like->bytes.data + piece->at;
    if (!piece->has_any) {
        bool is_there = (size_t)(end - p) >= piece->len && memcmp(p, bytes, piece->len) == 0;
        return is_there ? p + piece->len : NULL;
    }
    for (size_t i = 0; i < piece->len; i++) {
        bool is_any = (unsigned char)bytes[i] == ANY_ONE;
        if (p == end || (!is_any && *p != bytes[i])) {
            return NULL;
        }
        p = is_any ? step(p, end) : p + 1;
    }
    return p;
}

/* Behind the first place where the piece stands, or NULL. */
static const char *find(const struct like *like, const struct piece *piece, const char *p,
                        const char *end)
{
    if (piece->len == 0) {
        return p;
    }
    if (!piece->has_any) {
        const char *at = memmem(p, (size_t)(end - p), like->bytes.data + piece->at, piece->len);
        return at ? at + piece->len : NULL;
    }
    for (; p < end; p = step(p, end)) {
        const char *behind = match_at(like, piece, p, end);
        if (behind) {
            return behind;
        }
    }
    return NULL;
}

/* Whether the piece stands at the end, and not before p. */
static bool match_end(const struct like *like, const struct piece *piece, const char *p,
                      const char *end)
{
    const char *at = end;
    for (size_t i = 0; i < piece->n_chars; i++) {
        if (at == p) {
            return false;
        }
        at--;
        while (at > p && is_inside(*at)) {
            at--;
        }
    }
    return match_at(like, piece, at, end) == end;
}

static bool matches_nothing(const struct like *like)
{
    for (size_t i = 0; i < like->n_pieces; i++) {
        if (like->pieces[i].len > 0) {
            return false;
        }
    }
    return true;
}

bool like_matches(const struct like *like, struct str text)
{
    if (text.len == 0) {
        return matches_nothing(like);
    }
    const char *p = text.ptr, *end = p + text.len;
    size_t last = like->n_pieces - 1;
    p = match_at(like, &like->pieces[0], p, end);
    if (last == 0) {
        return p == end;
    }
    for (size_t i = 1; p && i < last; i++) {
        p = find(like, &like->pieces[i], p, end);
    }
    return p && match_end(like, &like->pieces[last], p, end);
}
