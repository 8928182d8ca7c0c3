/* SPDX-License-Identifier: PostgreSQL */
/* From what the hub answered to who decided it and what changes it. Nothing is judged here: the code
 * of a refusal has one road to it for each of rule, function and visibility. */
#include "cli/why/verdict.h"

#include <string.h>

#include "base/str.h"
#include "cli/ask/print.h"
#include "cli/wire/line.h"

/* ---- words of SQL ---- */

void put_literal(struct buf *out, const char *text)
{
    buf_char(out, '\'');
    for (; *text; text++) {
        if (*text == '\'') {
            buf_char(out, '\'');
        }
        buf_char(out, *text);
    }
    buf_char(out, '\'');
}

static void put_name(struct buf *out, const char *name)
{
    buf_char(out, '"');
    for (; *name; name++) {
        if (*name == '"') {
            buf_char(out, '"');
        }
        buf_char(out, *name);
    }
    buf_char(out, '"');
}

void put_table(struct buf *out, const struct shape *shape)
{
    struct buf name = {0};
    put_name(&name, shape->f.schema);
    buf_char(&name, '.');
    put_name(&name, shape->f.table);
    put_literal(out, buf_text(&name));
    buf_release(&name);
}

static void put_set_rule(struct buf *out, const char *pattern, const char *settings)
{
    buf_literal(out, "SELECT herald.set_rule(");
    put_literal(out, pattern);
    buf_printf(out, ", %s)", settings);
}

/* ---- who decided ---- */

static bool is_code(const struct why_answer *verdict, const char *code)
{
    return str_equals(buf_span(&verdict->code), str_of(code));
}

static void by_rule(const struct why_case *asked, struct why_answer *out)
{
    buf_printf(&out->by, "rule %s", asked->rule->pattern);
}

static void by_no_rule(const struct why_case *asked, struct why_answer *out)
{
    buf_literal(&out->by, "no rule covers this channel");
    if (str_starts(str_of(asked->channel), STR("herald."))) {
        buf_literal(&out->change, "nothing: channels that begin with herald. are the server's own");
    } else {
        put_set_rule(&out->change, asked->channel,
                     asked->who ? "anonymous_clients => false" : "anonymous_clients => true");
    }
}

static void by_send_flags(const struct why_case *asked, struct why_answer *out)
{
    const struct rule *rule = asked->rule;
    by_rule(asked, out);
    if (!rule->public_messaging) {
        buf_literal(&out->by, ": public_messaging is off");
        put_set_rule(&out->change, rule->pattern, "public_messaging => true");
    } else {
        buf_literal(&out->by, ": public_auth lets only clients with an identity send");
        buf_literal(&out->change, "a token; or ");
        put_set_rule(&out->change, rule->pattern, "public_auth => false");
    }
}

/* Nothing was asked of it, so nothing is known. */
static void by_lockout(const struct trial_answer *answer, struct why_answer *out)
{
    out->verdict = WHY_UNKNOWN;
    buf_printf(&out->note,
               "It could not be asked, as %s does not get in from here: ", answer->locked_out);
    buf_str(&out->note, buf_span(&answer->problem));
    buf_printf(&out->change,
               "a login for %s: pg_hba.conf, its password (pgherald install), or the server's own "
               "options, -c FILE",
               answer->locked_out);
}

/* What a function did not do in the end, by its SQLSTATE: whether it would with a server. */
static void by_failure(const struct why_case *asked, const struct trial_answer *answer,
                       struct why_answer *out)
{
    struct str problem = buf_span(&answer->problem);
    if (str_starts(problem, STR("25006"))) {
        out->verdict = WHY_UNKNOWN;
        buf_literal(&out->note,
                    "The function writes, and here it may only read: a server lets it, and then "
                    "has its answer. ");
        buf_literal(&out->change, "an authorize function that only reads can be asked here");
    } else if (str_starts(problem, STR("57014")) || problem.len == 0) {
        buf_printf(&out->change,
                   "a function that is done within hook-timeout (%u ms), or a longer one",
                   (unsigned)asked->timeout_ms);
    } else {
        buf_literal(&out->change, "a function that does not fail");
    }
    buf_literal(&out->note, "It failed: ");
    buf_str(&out->note, problem.len > 0 ? problem : STR("no answer in time"));
}

static void by_function(const struct why_case *asked, const struct trial_answer *answer,
                        struct why_answer *out)
{
    buf_printf(&out->by, "authorize function %s of rule %s", asked->rule->authorize,
               asked->rule->pattern);
    if (answer->locked_out) {
        by_lockout(answer, out);
    } else if (is_code(out, "hook_failed")) {
        by_failure(asked, answer, out);
    } else if (out->verdict == WHY_REFUSED) {
        buf_literal(&out->change, "what that function says; ");
        put_set_rule(&out->change, asked->rule->pattern, "authorize => 0");
        buf_literal(&out->change, " leaves it out");
    }
}

/* ---- rows ---- */

static void put_visible(struct buf *out, const struct shape *shape)
{
    switch (shape->f.visible_by) {
    case SHAPE_VISIBLE_EVERYBODY:
        buf_literal(out, "everybody who may join sees");
        break;
    case SHAPE_VISIBLE_TREE:
        buf_printf(out, "visible => %s of", shape->f.visible);
        break;
    case SHAPE_VISIBLE_FUNCTION:
        buf_printf(out, "visible => %s of", shape->f.visible);
        break;
    case SHAPE_VISIBLE_NOBODY:
        buf_literal(out, "nobody, as visible does not say who, of");
        break;
    case SHAPE_VISIBLE_POLICY:
        buf_literal(out, "row level security, with the role and the claims, of");
        break;
    }
    buf_printf(out, " %s.%s", shape->f.schema, shape->f.table);
}

static void put_mending(struct buf *out, const struct shape *shape)
{
    if (shape->f.visible_by == SHAPE_VISIBLE_POLICY) {
        buf_printf(out,
                   "a policy for SELECT on %s.%s that lets its role see the row, and GRANT "
                   "SELECT to that role, which judge-roles has to name (-c FILE of the server)",
                   shape->f.schema, shape->f.table);
    } else if (shape->f.visible_by == SHAPE_VISIBLE_FUNCTION) {
        buf_literal(out, "what that function says of the row and these claims");
    } else {
        buf_literal(out, "other claims (--as, --extras), another row, or SELECT herald.watch(");
        put_table(out, shape);
        buf_literal(out, ", visible => …)");
    }
}

static void by_no_judgement(const struct why_case *asked, struct why_answer *out)
{
    out->verdict = WHY_UNKNOWN;
    buf_literal(&out->note, "It failed, and Postgres' log has the error; or it took longer than "
                            "hook-timeout. A client is told of a gap then.");
    buf_printf(&out->change, "a policy or function that does not fail, and is done within %u ms",
               (unsigned)asked->timeout_ms);
}

/* Of the row that there is: who may see it. */
static void by_visible(const struct why_case *asked, const struct trial_answer *answer,
                       struct why_answer *out)
{
    put_visible(&out->by, asked->shape);
    if (answer->locked_out) {
        by_lockout(answer, out);
    } else if (answer->is_unjudged) {
        by_no_judgement(asked, out);
    } else {
        put_mending(&out->change, asked->shape);
    }
}

/* ---- refusals ---- */

static void by_refusal(const struct why_case *asked, const struct trial_answer *answer,
                       struct why_answer *out)
{
    if (!asked->rule || is_code(out, "no_channel")) {
        by_no_rule(asked, out);
    } else if (answer->is_refused) {
        by_function(asked, answer, out);
    } else if (is_code(out, "anonymous_refused")) {
        by_rule(asked, out);
        buf_literal(&out->by, ": anonymous_clients is off");
        buf_literal(&out->change, "a token; or ");
        put_set_rule(&out->change, asked->rule->pattern, "anonymous_clients => true");
    } else if (is_code(out, "send_refused")) {
        by_send_flags(asked, out);
    } else if (answer->is_unjudged && asked->shape) {
        by_visible(asked, answer, out);
    } else {
        out->verdict = WHY_UNKNOWN;
        by_rule(asked, out);
        if (is_code(out, "snapshot_off") && asked->shape) {
            buf_literal(&out->change, "SELECT herald.watch(");
            put_table(&out->change, asked->shape);
            buf_literal(&out->change, ", snapshot => true): then its rows can be read");
        }
    }
}

static void see(const struct why_case *asked, const struct trial_answer *answer, size_t rows_there,
                struct why_answer *out)
{
    if (answer->n_rows > 0) {
        put_visible(&out->by, asked->shape);
        return;
    }
    /* Not every key can be asked for in SQL: then others are counted, too. */
    bool hides_nothing = asked->shape->f.visible_by == SHAPE_VISIBLE_EVERYBODY;
    out->verdict = WHY_REFUSED;
    if (rows_there == 0 || hides_nothing) {
        buf_literal(&out->by, "no row with that key is on this channel");
        buf_printf(&out->change, "a row of %s.%s with it, whose channel this is",
                   asked->shape->f.schema, asked->shape->f.table);
        return;
    }
    by_visible(asked, answer, out);
}

/* ---- all of it ---- */

static void note_functions(const struct why_case *asked, struct why_answer *out)
{
    const struct rule *rule = asked->rule;
    const char *name = !rule || out->verdict != WHY_ALLOWED ? NULL
                       : asked->action == WHY_SEND          ? rule->on_message
                                                            : rule->on_join;
    if (name) {
        buf_printf(&out->note,
                   "%s is asked as well by a server, and may refuse; it is not called "
                   "here.",
                   name);
    }
}

void verdict_make(const struct why_case *asked, const struct trial_answer *answer,
                  size_t rows_there, struct why_answer *out)
{
    *out = (struct why_answer){0};
    if (answer->is_late) {
        verdict_unknown(out, "unavailable", "no answer in time",
                        "see in the database what keeps it busy");
        return;
    }
    buf_str(&out->code, buf_span(&answer->code));
    buf_str(&out->message, buf_span(&answer->message));
    out->verdict = answer->is_allowed ? WHY_ALLOWED : WHY_REFUSED;
    if (out->verdict == WHY_REFUSED) {
        by_refusal(asked, answer, out);
    } else if (asked->action == WHY_SEE) {
        see(asked, answer, rows_there, out);
    } else if (answer->was_asked) {
        by_function(asked, answer, out);
    } else {
        by_rule(asked, out);
    }
    note_functions(asked, out);
}

void verdict_unknown(struct why_answer *out, const char *code, const char *message,
                     const char *change)
{
    *out = (struct why_answer){.verdict = WHY_UNKNOWN};
    buf_literal(&out->code, code);
    buf_literal(&out->message, message);
    buf_literal(&out->change, change);
}

void verdict_switched_off(struct why_answer *out)
{
    *out = (struct why_answer){.verdict = WHY_REFUSED};
    buf_literal(&out->by, "the switch of the whole database: realtime is off");
    buf_literal(&out->change, "SELECT herald.set_enabled(true)");
}

const char *verdict_name(enum why_verdict verdict)
{
    static const char *const names[] = {
        [WHY_ALLOWED] = "allowed", [WHY_REFUSED] = "refused", [WHY_UNKNOWN] = "unknown"};
    return names[verdict];
}

const char *why_action_name(enum why_action action)
{
    static const char *const names[] = {
        [WHY_JOIN] = "join", [WHY_SEND] = "send", [WHY_SEE] = "see"};
    return names[action];
}

/* ---- printing ---- */

static void print_line(const char *name, struct buf *text, FILE *out)
{
    if (text->len > 0) {
        struct buf safe = {0}, quoted = {0};
        buf_json_string(&quoted, buf_span(text));
        told_string(buf_span(&quoted), &safe);
        fprintf(out, "  %-7s %s\n", name, buf_text(&safe));
        buf_release(&safe);
        buf_release(&quoted);
    }
}

static void put_member(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text.len > 0) {
        buf_json_string(out, text);
    } else {
        buf_literal(out, "null");
    }
}

static void print_json(const struct why_answer *verdict, const struct why_case *asked, FILE *out)
{
    struct buf json = {0};
    buf_printf(&json, "{\"verdict\":\"%s\",\"action\":\"%s\"", verdict_name(verdict->verdict),
               why_action_name(asked->action));
    put_member(&json, "channel", str_of(asked->channel));
    put_member(&json, "key", str_of(asked->key));
    put_member(&json, "as", asked->who ? str_of(asked->as) : (struct str){0});
    put_member(&json, "code", buf_span(&verdict->code));
    put_member(&json, "message", buf_span(&verdict->message));
    put_member(&json, "by", buf_span(&verdict->by));
    put_member(&json, "change", buf_span(&verdict->change));
    put_member(&json, "note", buf_span(&verdict->note));
    buf_literal(&json, "}\n");
    fwrite(json.data, 1, json.len, out);
    buf_release(&json);
}

static void print_head(const struct why_answer *verdict, const struct why_case *asked, FILE *out)
{
    struct buf head = {0}, safe = {0};
    buf_printf(&head, "%s: %s %s%s%s as %s", verdict_name(verdict->verdict),
               why_action_name(asked->action), asked->key ? asked->key : "",
               asked->key ? " on " : "", asked->channel, asked->as);
    print_escape(&safe, buf_span(&head));
    fprintf(out, "%s\n", buf_text(&safe));
    buf_release(&head);
    buf_release(&safe);
}

void verdict_print(const struct why_answer *verdict, const struct why_case *asked, bool is_json,
                   FILE *out)
{
    struct why_answer copy = *verdict;
    if (is_json) {
        print_json(verdict, asked, out);
        return;
    }
    print_head(verdict, asked, out);
    print_line("by", &copy.by, out);
    print_line("says", &copy.message, out);
    print_line("code", &copy.code, out);
    print_line("change", &copy.change, out);
    print_line("note", &copy.note, out);
}

void verdict_release(struct why_answer *verdict)
{
    buf_release(&verdict->code);
    buf_release(&verdict->message);
    buf_release(&verdict->by);
    buf_release(&verdict->change);
    buf_release(&verdict->note);
}
