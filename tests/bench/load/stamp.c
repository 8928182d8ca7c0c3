/* SPDX-License-Identifier: PostgreSQL */
/* Stamps are what makes the figures honest: each receiver knows for each producer which number must
 * come next, so a lost, repeated or overtaken message is seen at once, at the cost of a few
 * instructions per delivery. A number that was skipped and comes later counts as reordered; one
 * that never comes, as lost; one that had been there, as duplicated. */
#include "stamp.h"

#include <string.h>

static const int8_t hex_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

static void write_hex(uint64_t value, size_t n_digits, char *to)
{
    for (size_t i = n_digits; i > 0; i--) {
        to[i - 1] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

static bool read_hex(const uint8_t *text, size_t n_digits, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n_digits; i++) {
        int digit = hex_values[text[i]];
        if (digit == 0) {
            return false;
        }
        value = value << 4 | (uint64_t)(digit - 1);
    }
    *out = value;
    return true;
}

void stamp_write(const struct stamp *stamp, char to[STAMP_LEN])
{
    to[0] = '@';
    write_hex(stamp->producer, 4, to + 1);
    write_hex(stamp->number, 8, to + 5);
    write_hex(stamp->at_ns, 16, to + 13);
    to[STAMP_LEN - 1] = '@';
}

static bool read_at(const uint8_t *text, struct stamp *out)
{
    uint64_t producer, number, at_ns;
    if (text[0] != '@' || text[STAMP_LEN - 1] != '@' || !read_hex(text + 1, 4, &producer) ||
        !read_hex(text + 5, 8, &number) || !read_hex(text + 13, 16, &at_ns)) {
        return false;
    }
    *out = (struct stamp){(uint32_t)producer, (uint32_t)number, at_ns};
    return true;
}

bool stamp_find(const uint8_t *text, size_t len, uint32_t *hint, struct stamp *out)
{
    if (len < STAMP_LEN) {
        return false;
    }
    size_t last = len - STAMP_LEN;
    if (*hint <= last && read_at(text + *hint, out)) {
        return true;
    }
    const uint8_t *at = text;
    while ((at = memchr(at, '@', (size_t)(text + last + 1 - at))) != NULL) {
        if (read_at(at, out)) {
            *hint = (uint32_t)(at - text);
            return true;
        }
        at++;
    }
    return false;
}

void sequence_check(struct sequence *sequence, uint32_t number, struct verdict *verdict)
{
    if (number == sequence->next) {
        sequence->next++;
    } else if (number > sequence->next) {
        sequence->missing += number - sequence->next;
        sequence->next = number + 1;
    } else if (sequence->missing > 0) {
        sequence->missing--;
        verdict->reordered++;
    } else {
        verdict->duplicated++;
    }
}

void sequence_end(const struct sequence *sequence, uint32_t n_sent, struct verdict *verdict)
{
    uint32_t absent = n_sent > sequence->next ? n_sent - sequence->next : 0;
    verdict->lost += (uint64_t)sequence->missing + absent;
}
