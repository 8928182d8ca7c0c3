/* SPDX-License-Identifier: PostgreSQL */
/* Values of options, from text and back. The default of an option is text as well and goes through
 * the same door, so that what the reference prints is what the program does.
 *
 * Units are read case-sensitively where a slip would change the meaning by a factor (a bare "m" is
 * neither minutes nor mebibytes here) and written in the largest unit that divides the value. */
#include "config/option.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit byte_units[] = {
    {"GiB", 1U << 30}, {"MiB", 1U << 20}, {"KiB", 1U << 10}, {"B", 1}, {NULL, 0}};
static const struct unit duration_units[] = {
    {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const struct unit hour_units[] = {{"d", 24}, {"h", 1}, {NULL, 0}};

/* What a bare number means: as the name of the option says (…-bytes, …-hours), and seconds for the
 * rest. */
static const struct unit *units_of(enum option_type type, uint64_t *bare)
{
    *bare = type == OPTION_DURATION ? 1000 : 1;
    switch (type) {
    case OPTION_BYTES:
        return byte_units;
    case OPTION_DURATION:
        return duration_units;
    case OPTION_HOURS:
        return hour_units;
    case OPTION_TEXT:
    case OPTION_URL:
    case OPTION_LISTEN:
    case OPTION_COUNT:
    case OPTION_CHOICE:
    case OPTION_SWITCH:
        break;
    }
    return NULL;
}

static bool option_read_number(const struct option *option, const char *text, uint64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number;
    if (!str_to_u64((struct str){text, digits}, &number)) {
        return false;
    }
    uint64_t factor;
    const struct unit *units = units_of(option->type, &factor);
    const char *name = text + digits;
    while (*name == ' ') {
        name++;
    }
    if (*name != '\0') {
        while (units && units->name && strcmp(units->name, name) != 0) {
            units++;
        }
        if (!units || !units->name) {
            return false;
        }
        factor = units->factor;
    }
    return !__builtin_mul_overflow(number, factor, out);
}

static void write_number(const struct option *option, uint64_t number, struct buf *out)
{
    uint64_t bare;
    const struct unit *unit = units_of(option->type, &bare);
    if (number == 0) {
        buf_char(out, '0');
        return;
    }
    while (unit && number % unit->factor != 0) {
        unit++; /* every list ends with a factor of 1 */
    }
    /* A number of bytes, and hours that make no whole days, read best plain. */
    bool is_plain = !unit || unit->factor == 1;
    buf_u64(out, is_plain ? number : number / unit->factor);
    if (!is_plain || option->type == OPTION_DURATION) {
        buf_literal(out, unit->name);
    }
}

static bool index_of_choice(const char *choices, const char *text, uint64_t *out)
{
    size_t len = strlen(text);
    for (uint64_t i = 0;; i++) {
        size_t n = strcspn(choices, "|");
        if (n == len && memcmp(choices, text, n) == 0) {
            *out = i;
            return true;
        }
        if (choices[n] == '\0') {
            return false;
        }
        choices += n + 1;
    }
}

static bool read_switch(const char *text, uint64_t *out)
{
    return index_of_choice("no|yes", text, out) || index_of_choice("off|on", text, out) ||
           index_of_choice("false|true", text, out) || index_of_choice("0|1", text, out);
}

/* ADDR:PORT or [V6]:PORT. Numbers only: a name can mean several addresses. */
static bool is_listen(const char *text)
{
    char host[INET6_ADDRSTRLEN] = "";
    unsigned char ignored[sizeof(struct in6_addr)];
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || colon == text || !str_to_u64(str_of(colon + 1), &port) || port > 65535) {
        return false;
    }
    bool is_v6 = text[0] == '[' && colon[-1] == ']';
    const char *start = is_v6 ? text + 1 : text, *end = is_v6 ? colon - 1 : colon;
    if (end <= start || (size_t)(end - start) >= sizeof(host)) {
        return false;
    }
    memcpy(host, start, (size_t)(end - start));
    return inet_pton(is_v6 ? AF_INET6 : AF_INET, host, ignored) == 1;
}

static void store_number(const struct option *option, void *target, uint64_t number)
{
    char *field = (char *)target + option->offset;
    if (option->size == sizeof(bool)) {
        bool flag = number != 0;
        memcpy(field, &flag, sizeof(flag));
    } else {
        uint32_t word = (uint32_t)number;
        assert(option->size == sizeof(word));
        memcpy(field, &word, sizeof(word));
    }
}

static uint64_t load_number(const struct option *option, const void *target)
{
    const char *field = (const char *)target + option->offset;
    if (option->size == sizeof(bool)) {
        bool flag;
        memcpy(&flag, field, sizeof(flag));
        return flag;
    }
    uint32_t word;
    memcpy(&word, field, sizeof(word));
    return word;
}

static bool is_text(enum option_type type)
{
    return type == OPTION_TEXT || type == OPTION_URL || type == OPTION_LISTEN;
}

static const char *load_text(const struct option *option, const void *target)
{
    const char *text;
    memcpy(&text, (const char *)target + option->offset, sizeof(text));
    return text;
}

/* The default holds no password, and may be another word than a URL. */
static char *public_text(const struct option *option, const char *text)
{
    bool is_default = text && option->fallback && strcmp(text, option->fallback) == 0;
    bool is_secret = option->type == OPTION_URL && text && !is_default;
    return is_secret ? option_public_url(text) : mem_strdup(text);
}

static char **text_field(const struct option *option, void *target)
{
    return (char **)(void *)((char *)target + option->offset);
}

static const char *expectation(enum option_type type)
{
    switch (type) {
    case OPTION_LISTEN:
        return "a numeric address and a port, such as 127.0.0.1:8080 or [::1]:8080";
    case OPTION_COUNT:
        return "a number";
    case OPTION_BYTES:
        return "a number of bytes, such as 65536, 64KiB or 8MiB";
    case OPTION_DURATION:
        return "a duration, such as 500ms, 10s or 2min";
    case OPTION_HOURS:
        return "a number of hours, such as 168, or days, such as 7d";
    case OPTION_SWITCH:
        return "yes or no";
    case OPTION_TEXT:
    case OPTION_URL:
    case OPTION_CHOICE:
        break;
    }
    return "a value";
}

static void set_text(const struct option *option, void *target, const char *text)
{
    char **field = text_field(option, target);
    char *copy = mem_strdup(text);
    free(*field);
    *field = copy;
}

static enum status check_range(const struct option *option, uint64_t number, const char *text,
                               const char *origin, enum exit_code code, struct err *err)
{
    if (number >= option->min && number <= option->max) {
        return STATUS_OK;
    }
    struct buf range = {0};
    option_range(option, &range);
    err_set(err, code, "%s: %s is out of range: it must be %s", origin, text, buf_text(&range));
    buf_release(&range);
    return STATUS_FAILED;
}

enum status option_set(const struct option *option, void *target, const char *text,
                       const char *origin, enum exit_code code, struct err *err)
{
    uint64_t number = 0;
    bool is_good = true;
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_URL:
        set_text(option, target, text);
        return STATUS_OK;
    case OPTION_LISTEN:
        if (is_listen(text)) {
            set_text(option, target, text);
            return STATUS_OK;
        }
        is_good = false;
        break;
    case OPTION_CHOICE:
        if (!index_of_choice(option->choices, text, &number)) {
            return err_set(err, code, "%s: \"%s\" is not one of %s", origin, text, option->choices);
        }
        break;
    case OPTION_SWITCH:
        is_good = read_switch(text, &number);
        break;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
    case OPTION_HOURS:
        is_good = option_read_number(option, text, &number);
        if (is_good && check_range(option, number, text, origin, code, err) != STATUS_OK) {
            return STATUS_FAILED;
        }
        break;
    }
    if (!is_good) {
        return err_set(err, code, "%s: \"%s\" is not %s", origin, text, expectation(option->type));
    }
    store_number(option, target, number);
    return STATUS_OK;
}

void option_write(const struct option *option, const void *target, struct buf *out)
{
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_URL:
    case OPTION_LISTEN: {
        char *shown = public_text(option, load_text(option, target));
        buf_literal(out, shown ? shown : "");
        free(shown);
        break;
    }
    case OPTION_CHOICE: {
        const char *choice = option->choices;
        for (uint64_t i = load_number(option, target); i > 0; i--) {
            choice += strcspn(choice, "|") + 1;
        }
        buf_add(out, choice, strcspn(choice, "|"));
        break;
    }
    case OPTION_SWITCH:
        buf_literal(out, load_number(option, target) ? "yes" : "no");
        break;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
    case OPTION_HOURS:
        write_number(option, load_number(option, target), out);
        break;
    }
}

void option_variable(const struct option *option, char out[64])
{
    int n = snprintf(out, 64, "PGHERALD_%s", option->name);
    assert(n > 0 && n < 64);
    (void)n;
    for (char *c = out; *c; c++) {
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    }
}

void option_range(const struct option *option, struct buf *out)
{
    if (option->type == OPTION_CHOICE) {
        for (const char *c = option->choices; *c; c++) {
            if (*c == '|') {
                buf_literal(out, ", ");
            } else {
                buf_char(out, *c);
            }
        }
    } else if (option->max > 0) {
        write_number(option, option->min, out);
        buf_literal(out, " to ");
        write_number(option, option->max, out);
    }
}

bool option_is_same(const struct option *option, const void *target, const void *other)
{
    if (!is_text(option->type)) {
        return load_number(option, target) == load_number(option, other);
    }
    const char *a = load_text(option, target), *b = load_text(option, other);
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void option_copy(const struct option *option, void *target, const void *from)
{
    if (is_text(option->type)) {
        set_text(option, target, load_text(option, from));
    } else {
        store_number(option, target, load_number(option, from));
    }
}

void option_release(const struct option *options, size_t n, void *target)
{
    for (size_t i = 0; i < n; i++) {
        if (is_text(options[i].type)) {
            char **field = text_field(&options[i], target);
            free(*field);
            *field = NULL;
        }
    }
}
