/* SPDX-License-Identifier: PostgreSQL */
/* A list of findings, for people or for programs. jansson holds it: the schema hands it over as
 * JSON, and --json gives it back so. */
#include "cli/doctor/findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/ask/print.h"

enum status findings_init(struct findings *findings, const char *json, struct err *err)
{
    json_t *list = json_loads(json ? json : "[]", 0, NULL);
    if (!json_is_array(list)) {
        json_decref(list);
        return err_set(err, EXIT_CODE_FAILED, "herald.doctor() does not say what it should");
    }
    findings->list = list;
    return STATUS_OK;
}

void findings_add(struct findings *findings, const char *severity, const char *cause,
                  const char *remedy, const char *words, ...)
{
    char text[1024];
    va_list args;
    va_start(args, words);
    vsnprintf(text, sizeof(text), words, args);
    va_end(args);
    json_t *finding = json_pack("{s:s, s:s, s:s, s:s, s:n}", "severity", severity, "cause", cause,
                                "finding", text, "remedy", remedy, "about");
    if (!finding) {
        /* A name with a byte that is not UTF-8 stands in it. */
        finding = json_pack("{s:s, s:s, s:s, s:s, s:n}", "severity", severity, "cause", cause,
                            "finding", cause, "remedy", "Set a locale in UTF-8.", "about");
    }
    if (!finding || json_array_append_new(findings->list, finding) != 0) {
        abort(); /* out of memory */
    }
}

static const char *field(const json_t *finding, const char *name)
{
    const char *text = json_string_value(json_object_get(finding, name));
    return text ? text : "";
}

bool findings_are_bad(const struct findings *findings)
{
    size_t i;
    json_t *finding;
    json_array_foreach(findings->list, i, finding)
    {
        if (strcmp(field(finding, "severity"), "note") != 0) {
            return true;
        }
    }
    return false;
}

/* Names of tables and channels stand in it, which are strangers' texts. */
static void print_one(const json_t *finding, FILE *out)
{
    const char *about = field(finding, "about");
    struct buf text = {0};
    buf_printf(&text, "%-8s %s%s", field(finding, "severity"), field(finding, "cause"),
               *about ? " " : "");
    print_escape(&text, str_of(about));
    buf_literal(&text, "\n         ");
    print_escape(&text, str_of(field(finding, "finding")));
    buf_literal(&text, "\n      -> ");
    print_escape(&text, str_of(field(finding, "remedy")));
    fprintf(out, "%s\n", buf_text(&text));
    buf_release(&text);
}

void findings_print(const struct findings *findings, bool is_json, FILE *out)
{
    size_t i;
    json_t *finding;
    if (is_json) {
        json_dumpf(findings->list, out, JSON_INDENT(2));
        fputc('\n', out);
        return;
    }
    json_array_foreach(findings->list, i, finding)
    {
        print_one(finding, out);
    }
}

void findings_release(struct findings *findings)
{
    json_decref(findings->list);
    findings->list = NULL;
}
