/* SPDX-License-Identifier: PostgreSQL */
/* Values as JSON: what Postgres 15 printed as a record, and what the generated SQL that came before
 * this code (with to_json() in its middle) made of the same value. */
#include "row_harness.h"

struct json_case {
    const char *type;
    const char *record;
    const char *text;   /* the value's JSON where numbers are text */
    const char *native; /* NULL: the same */
};

static const struct json_case cases[] = {
    {"\"bool\"", "(t)", "true", NULL},
    {"\"bool\"", "(f)", "false", NULL},
    {"\"int\"", "(-5)", "-5", NULL},
    {"\"int\"", "(0)", "0", NULL},
    {"\"bigint\"", "(9223372036854775807)", "\"9223372036854775807\"", "9223372036854775807"},
    {"\"bigint\"", "(-1)", "\"-1\"", "-1"},
    {"\"numeric\"", "(1.10)", "\"1.10\"", "1.10"},
    {"\"numeric\"", "(NaN)", "\"NaN\"", NULL},
    {"\"numeric\"", "(-Infinity)", "\"-Infinity\"", NULL},
    {"\"numeric\"", "(0.00001)", "\"0.00001\"", "0.00001"},
    {"\"numeric\"", "(-0.5)", "\"-0.5\"", "-0.5"},
    {"\"numeric\"", "(1000000000000000000000000000000)", "\"1000000000000000000000000000000\"",
     "1000000000000000000000000000000"},
    {"\"float\"", "(1e+300)", "1e+300", NULL},
    {"\"float\"", "(-0)", "-0", NULL},
    {"\"float\"", "(0.1)", "0.1", NULL},
    {"\"float\"", "(1e-07)", "1e-07", NULL},
    {"\"float\"", "(Infinity)", "\"Infinity\"", NULL},
    {"\"float\"", "(NaN)", "\"NaN\"", NULL},
    {"\"float\"", "(1e+20)", "1e+20", NULL},
    {"\"text\"", "(4294967295)", "\"4294967295\"", NULL},
    {"\"text\"", "(pg_class)", "\"pg_class\"", NULL},
    {"\"text\"", "(3)", "\"3\"", NULL},
    {"\"date\"", "(2020-02-29)", "\"2020-02-29\"", NULL},
    {"\"date\"", "(\"0044-03-15 BC\")", "\"0044-03-15 BC\"", NULL},
    {"\"date\"", "(infinity)", "\"infinity\"", NULL},
    {"\"date\"", "(-infinity)", "\"-infinity\"", NULL},
    {"\"date\"", "(5874897-12-31)", "\"5874897-12-31\"", NULL},
    {"\"date\"", "(0001-01-01)", "\"0001-01-01\"", NULL},
    {"\"timestamp\"", "(\"2020-01-01 10:00:00\")", "\"2020-01-01T10:00:00\"", NULL},
    {"\"timestamp\"", "(\"2020-01-01 10:00:00.12\")", "\"2020-01-01T10:00:00.12\"", NULL},
    {"\"timestamp\"", "(\"0044-03-15 10:00:00.000001 BC\")", "\"0044-03-15T10:00:00.000001 BC\"",
     NULL},
    {"\"timestamp\"", "(infinity)", "\"infinity\"", NULL},
    {"\"timestamp\"", "(\"294276-12-31 23:59:59.999999\")", "\"294276-12-31T23:59:59.999999\"",
     NULL},
    {"\"timestamp\"", "(\"4714-11-24 00:00:00 BC\")", "\"4714-11-24T00:00:00 BC\"", NULL},
    {"\"text\"", "(10:00:00.5)", "\"10:00:00.5\"", NULL},
    {"\"text\"", "(10:00:00+02)", "\"10:00:00+02\"", NULL},
    {"\"text\"", "(\"1 year 2 mons -3 days +04:05:06.7\")", "\"1 year 2 mons -3 days +04:05:06.7\"",
     NULL},
    {"\"text\"", "(00000000-0000-0000-0000-000000000001)",
     "\"00000000-0000-0000-0000-000000000001\"", NULL},
    {"\"text\"", "(\"\\\\x00ff\")", "\"\\\\x00ff\"", NULL},
    {"\"text\"", "(::1/64)", "\"::1/64\"", NULL},
    {"\"text\"", "(10.0.0.0/8)", "\"10.0.0.0/8\"", NULL},
    {"\"text\"", "(08:00:2b:01:02:03)", "\"08:00:2b:01:02:03\"", NULL},
    {"\"text\"", "(101)", "\"101\"", NULL},
    {"\"text\"", "(\"\")", "\"\"", NULL},
    {"\"text\"", "(\"<a b=\"\"c\"\">&amp;</a>\")", "\"<a b=\\\"c\\\">&amp;</a>\"", NULL},
    {"\"text\"", "(x)", "\"x\"", NULL},
    {"\"text\"", "(n)", "\"n\"", NULL},
    {"\"text\"", "(\"ab   \")", "\"ab   \"", NULL},
    {"\"text\"", "(\"(1.5,2)\")", "\"(1.5,2)\"", NULL},
    {"\"text\"", "(\"(1,1),(0,0)\")", "\"(1,1),(0,0)\"", NULL},
    {"\"text\"", "(\"[(1,1),(0,0)]\")", "\"[(1,1),(0,0)]\"", NULL},
    {"\"text\"", "(\"<(1,2),3>\")", "\"<(1,2),3>\"", NULL},
    {"\"text\"", "(\"'a':1 'b c':2\")", "\"'a':1 'b c':2\"", NULL},
    {"\"text\"", "(\"'a' & 'b'\")", "\"'a' & 'b'\"", NULL},
    {"\"text\"", "(0/1)", "\"0/1\"", NULL},
    {"\"text\"", "(\"$.\"\"a\"\"\")", "\"$.\\\"a\\\"\"", NULL},
    {"\"text\"", "(plain)", "\"plain\"", NULL},
    {"\"text\"",
     "(\"q\"\"u\\\\o\t|\n\r\010\014\001\037\177 \303\274 \360\237\230\200 (a,b) {c} \")",
     "\"q\\\"u\\\\o\\t|\\n\\r\\b\\f\\u0001\\u001f\177 \303\274 \360\237\230\200 (a,b) {c} \"",
     NULL},
    {"\"text\"", "(NULL)", "\"NULL\"", NULL},
    {"\"text\"", "(\" lead\")", "\" lead\"", NULL},
    {"\"text\"", "(\"\"\"\"\"\")", "\"\\\"\\\"\"", NULL},
    {"\"text\"", "(\"\\\\\")", "\"\\\\\"", NULL},
    {"\"text\"", "(\",\")", "\",\"", NULL},
    {"\"text\"", "(\"(\"\")\")", "\"(\\\")\"", NULL},
    {"\"json\"",
     "(\"{\"\"b\"\" : 1e400, \"\"a\"\":\"\"\\\\u0000\"\", \"\"a\"\":12345678901234567890}\")",
     "{\"b\" : 1e400, \"a\":\"\\u0000\", \"a\":12345678901234567890}", NULL},
    {"\"json\"", "(null)", "null", NULL},
    {"\"json\"", "(\" [1 , 2] \")", " [1 , 2] ", NULL},
    {"\"json\"", "(\"{\"\"b\"\": [1.10, null], \"\"s\"\": \"\"q\\\\\"\"\\\\\\\\x\"\"}\")",
     "{\"b\": [1.10, null], \"s\": \"q\\\"\\\\x\"}", NULL},
    {"\"json\"", "(\"\"\"str\"\"\")", "\"str\"", NULL},
    {"{\"array\":\"text\"}",
     "(\"{\"\"a,b\"\",NULL,\"\"c\\\\\"\"d\"\",\"\"NULL\"\",\"\"\"\",\"\"null\"\",\"\" "
     "x\"\",\"\"\\\\\\\\\"\",\"\"{}\"\"}\")",
     "[\"a,b\",null,\"c\\\"d\",\"NULL\",\"\",\"null\",\" x\",\"\\\\\",\"{}\"]", NULL},
    {"{\"array\":\"text\"}", "({})", "[]", NULL},
    {"{\"array\":\"int\"}", "(\"{{1,2},{3,NULL}}\")", "[[1,2],[3,null]]", NULL},
    {"{\"array\":\"int\"}", "(\"[2:3]={1,2}\")", "[1,2]", NULL},
    {"{\"array\":\"int\"}", "(\"[-1:0][2:2]={{1},{2}}\")", "[[1],[2]]", NULL},
    {"{\"array\":\"int\"}", "({{{{{{1}}}}}})", "[[[[[[1]]]]]]", NULL},
    {"{\"array\":\"bool\"}", "(\"{t,f,NULL}\")", "[true,false,null]", NULL},
    {"{\"array\":\"bigint\"}", "(\"{1,NULL}\")", "[\"1\",null]", "[1,null]"},
    {"{\"array\":\"numeric\"}", "(\"{1.50,NaN,NULL}\")", "[\"1.50\",\"NaN\",null]",
     "[1.50,\"NaN\",null]"},
    {"{\"array\":\"float\"}", "(\"{1.5,NaN,-Infinity,1e+100}\")",
     "[1.5,\"NaN\",\"-Infinity\",1e+100]", NULL},
    {"{\"array\":\"date\"}", "(\"{2020-01-01,infinity,\"\"0044-03-15 BC\"\"}\")",
     "[\"2020-01-01\",\"infinity\",\"0044-03-15 BC\"]", NULL},
    {"{\"array\":\"timestamp\"}",
     "(\"{\"\"2020-01-01 10:00:00\"\",\"\"0044-03-15 10:00:00 BC\"\"}\")",
     "[\"2020-01-01T10:00:00\",\"0044-03-15T10:00:00 BC\"]", NULL},
    {"{\"array\":\"timestamptz\"}", "(\"{\"\"2020-01-01 22:00:00+14\"\",infinity,NULL}\")",
     "[\"2020-01-01T08:00:00+00:00\",\"infinity\",null]", NULL},
    {"{\"array\":\"timestamptz\"}", "(\"{\"\"2020-01-01 04:30:00-03:30\"\",infinity,NULL}\")",
     "[\"2020-01-01T08:00:00+00:00\",\"infinity\",null]", NULL},
    {"{\"array\":\"text\",\"delimiter\":\";\"}", "(\"{(1,1),(0,0);(2,2),(1,1)}\")",
     "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]", NULL},
    {"{\"array\":\"json\"}", "(\"{\"\"{\\\\\"\"a\\\\\"\": [1, null]}\"\",\"\"null\"\",NULL,1}\")",
     "[{\"a\": [1, null]},null,null,1]", NULL},
    {"{\"array\":\"text\"}", "({00000000-0000-0000-0000-000000000001})",
     "[\"00000000-0000-0000-0000-000000000001\"]", NULL},
    {"{\"array\":\"text\"}", "(\"{\"\"\\\\\\\\x00ff\"\"}\")", "[\"\\\\x00ff\"]", NULL},
    {"{\"array\":\"text\"}", "(\"{\"\"1 day\"\"}\")", "[\"1 day\"]", NULL},
    {"{\"array\":{\"range\":\"timestamptz\"}}",
     "(\"{\"\"[\\\\\"\"2020-01-01 00:00:00+00\\\\\"\",)\"\",empty}\")",
     "[\"[\\\"2020-01-01 00:00:00+00\\\",)\",\"empty\"]", NULL},
    {"{\"array\":{\"range\":\"timestamptz\"}}",
     "(\"{\"\"[\\\\\"\"2019-12-31 20:30:00-03:30\\\\\"\",)\"\",empty}\")",
     "[\"[\\\"2020-01-01 00:00:00+00\\\",)\",\"empty\"]", NULL},
    {"{\"array\":\"text\"}", "(\"{\"\"a  \"\",\"\"b c\"\"}\")", "[\"a  \",\"b c\"]", NULL},
    {"{\"vector\":\"int\"}", "(\"1 -2 3\")", "[1,-2,3]", NULL},
    {"{\"vector\":\"int\"}", "(\"\")", "[]", NULL},
    {"{\"vector\":\"text\"}", "(\"1 2\")", "[\"1\",\"2\"]", NULL},
    {"{\"vector\":\"text\"}", "(\"\")", "[]", NULL},
    {"\"text\"", "(\"[1,5)\")", "\"[1,5)\"", NULL},
    {"\"text\"", "(empty)", "\"empty\"", NULL},
    {"\"text\"", "(\"[\"\"2020-01-01 10:00:00\"\",)\")", "\"[\\\"2020-01-01 10:00:00\\\",)\"",
     NULL},
    {"\"text\"", "(\"[2020-01-01,infinity)\")", "\"[2020-01-01,infinity)\"", NULL},
    {"\"text\"", "(\"(,1.5]\")", "\"(,1.5]\"", NULL},
    {"{\"range\":\"timestamptz\"}",
     "(\"[\"\"2020-01-02 00:00:00+14\"\",\"\"2020-07-01 13:00:00.25+13\"\")\")",
     "\"[\\\"2020-01-01 10:00:00+00\\\",\\\"2020-07-01 00:00:00.25+00\\\")\"", NULL},
    {"{\"range\":\"timestamptz\"}",
     "(\"[\"\"2020-01-01 10:00:00+00\"\",\"\"2020-07-01 00:00:00.25+00\"\")\")",
     "\"[\\\"2020-01-01 10:00:00+00\\\",\\\"2020-07-01 00:00:00.25+00\\\")\"", NULL},
    {"{\"range\":\"timestamptz\"}", "(\"(,)\")", "\"(,)\"", NULL},
    {"{\"range\":\"timestamptz\"}", "(empty)", "\"empty\"", NULL},
    {"{\"range\":\"timestamptz\"}", "(\"[-infinity,infinity]\")", "\"[-infinity,infinity]\"", NULL},
    {"{\"range\":\"timestamptz\"}", "(\"[\"\"0044-03-15 15:53:28+05:53:28 BC\"\",)\")",
     "\"[\\\"0044-03-15 10:00:00+00 BC\\\",)\"", NULL},
    {"{\"range\":\"timestamptz\"}", "(\"[\"\"0044-03-15 10:19:32+00:19:32 BC\"\",)\")",
     "\"[\\\"0044-03-15 10:00:00+00 BC\\\",)\"", NULL},
    {"{\"range\":\"timestamptz\"}",
     "(\"(\"\"1700-01-01 00:00:00+00\"\",\"\"10000-01-01 00:00:00+00\"\"]\")",
     "\"(\\\"1700-01-01 00:00:00+00\\\",\\\"10000-01-01 00:00:00+00\\\"]\"", NULL},
    {"{\"range\":\"timestamptz\"}",
     "(\"(\"\"1700-01-01 00:19:32+00:19:32\"\",\"\"10000-01-01 01:00:00+01\"\"]\")",
     "\"(\\\"1700-01-01 00:00:00+00\\\",\\\"10000-01-01 00:00:00+00\\\"]\"", NULL},
    {"{\"multirange\":\"timestamptz\"}", "({})", "\"{}\"", NULL},
    {"{\"multirange\":\"timestamptz\"}",
     "(\"{[\"\"2020-01-01 10:00:00+00\"\",\"\"2020-07-01 00:00:00+00\"\"),[\"\"2021-01-01 "
     "00:00:00+00\"\",)}\")",
     "\"{[\\\"2020-01-01 10:00:00+00\\\",\\\"2020-07-01 00:00:00+00\\\"),[\\\"2021-01-01 "
     "00:00:00+00\\\",)}\"",
     NULL},
    {"{\"multirange\":\"timestamptz\"}",
     "(\"{[\"\"2020-01-01 06:30:00-03:30\"\",\"\"2020-06-30 21:30:00-02:30\"\"),[\"\"2020-12-31 "
     "20:30:00-03:30\"\",)}\")",
     "\"{[\\\"2020-01-01 10:00:00+00\\\",\\\"2020-07-01 00:00:00+00\\\"),[\\\"2021-01-01 "
     "00:00:00+00\\\",)}\"",
     NULL},
    {"\"text\"", "(\"{[1,3),[5,)}\")", "\"{[1,3),[5,)}\"", NULL},
    {"\"hstore\"", "(\"\"\"a\"\"=>\"\"1\"\", \"\"b\"\"=>NULL\")", "{\"a\": \"1\", \"b\": null}",
     NULL},
    {"\"hstore\"", "(\"\")", "{}", NULL},
    {"\"hstore\"",
     "(\"\"\"\"\"=>\"\"\"\", \"\"NULL\"\"=>\"\"NULL\"\", \"\"q\\\\\"\"k\\\\\\\\\"\"=>\"\"v, "
     "\\\\\"\"=>\\\\\\\\\303\274\"\"\")",
     "{\"\": \"\", \"NULL\": \"NULL\", \"q\\\"k\\\\\": \"v, \\\"=>\\\\\303\274\"}", NULL},
    {"{\"array\":\"text\"}", "(\"{\"\"\\\\\"\"x\\\\\"\"=>\\\\\"\"y\\\\\"\"\"\"}\")",
     "[\"\\\"x\\\"=>\\\"y\\\"\"]", NULL},
    {"\"text\"", "(CiText)", "\"CiText\"", NULL},
    {"\"text\"", "(a.b)", "\"a.b\"", NULL},
    {"\"text\"", "(\"sa\"\"d\")", "\"sa\\\"d\"", NULL},
    {"{\"array\":\"text\"}", "(\"{glad,NULL,\"\"sa\\\\\"\"d\"\",\"\"with space\"\"}\")",
     "[\"glad\",null,\"sa\\\"d\",\"with space\"]", NULL},
    {"{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\",\"numeric\"]]}",
     "(\"(9007199254740993,glad,1.50)\")",
     "{\"n\":\"9007199254740993\",\"mood\":\"glad\",\"amount\":\"1.50\"}",
     "{\"n\":9007199254740993,\"mood\":\"glad\",\"amount\":1.50}"},
    {"{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\",\"numeric\"]]}",
     "(\"(,,)\")", "{\"n\":null,\"mood\":null,\"amount\":null}", NULL},
    {"{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\",\"numeric\"]]}",
     "(\"(1,\"\"sa\"\"\"\"d\"\",NaN)\")", "{\"n\":\"1\",\"mood\":\"sa\\\"d\",\"amount\":\"NaN\"}",
     "{\"n\":1,\"mood\":\"sa\\\"d\",\"amount\":\"NaN\"}"},
    {"{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\",\"numeric\"]]}",
     "(\"(2,\"\"with space\"\",)\")", "{\"n\":\"2\",\"mood\":\"with space\",\"amount\":null}",
     "{\"n\":2,\"mood\":\"with space\",\"amount\":null}"},
    {"{\"composite\":[[\"p\",{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\","
     "\"numeric\"]]}],[\"l\\\"q\",{\"array\":\"int\"}],[\"j\",\"json\"],[\"t\",\"timestamptz\"]]}",
     "(\"(\"\"(1,\"\"\"\"sa\"\"\"\"\"\"\"\"d\"\"\"\",2.5)\"\",\"\"{1,2,NULL}\"\",\"\"{"
     "\"\"\"\"a\"\"\"\": \"\"\"\"x\"\"\"\"}\"\",\"\"2019-12-31 20:30:00-03:30\"\")\")",
     "{\"p\":{\"n\":\"1\",\"mood\":\"sa\\\"d\",\"amount\":\"2.5\"},\"l\\\"q\":[1,2,null],\"j\":{"
     "\"a\": \"x\"},\"t\":\"2020-01-01T00:00:00+00:00\"}",
     "{\"p\":{\"n\":1,\"mood\":\"sa\\\"d\",\"amount\":2.5},\"l\\\"q\":[1,2,null],\"j\":{\"a\": "
     "\"x\"},\"t\":\"2020-01-01T00:00:00+00:00\"}"},
    {"{\"composite\":[[\"p\",{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\","
     "\"numeric\"]]}],[\"l\\\"q\",{\"array\":\"int\"}],[\"j\",\"json\"],[\"t\",\"timestamptz\"]]}",
     "(\"(\"\"(1,\"\"\"\"sa\"\"\"\"\"\"\"\"d\"\"\"\",2.5)\"\",\"\"{1,2,NULL}\"\",\"\"{"
     "\"\"\"\"a\"\"\"\": \"\"\"\"x\"\"\"\"}\"\",\"\"2020-01-01 00:00:00+00\"\")\")",
     "{\"p\":{\"n\":\"1\",\"mood\":\"sa\\\"d\",\"amount\":\"2.5\"},\"l\\\"q\":[1,2,null],\"j\":{"
     "\"a\": \"x\"},\"t\":\"2020-01-01T00:00:00+00:00\"}",
     "{\"p\":{\"n\":1,\"mood\":\"sa\\\"d\",\"amount\":2.5},\"l\\\"q\":[1,2,null],\"j\":{\"a\": "
     "\"x\"},\"t\":\"2020-01-01T00:00:00+00:00\"}"},
    {"{\"composite\":[[\"p\",{\"composite\":[[\"n\",\"bigint\"],[\"mood\",\"text\"],[\"amount\","
     "\"numeric\"]]}],[\"l\\\"q\",{\"array\":\"int\"}],[\"j\",\"json\"],[\"t\",\"timestamptz\"]]}",
     "(\"(\"\"(,,)\"\",{},null,)\")",
     "{\"p\":{\"n\":null,\"mood\":null,\"amount\":null},\"l\\\"q\":[],\"j\":null,\"t\":null}",
     NULL},
    {"{\"composite\":[[\"x\",\"int\"]]}", "(\"(5)\")", "{\"x\":5}", NULL},
    {"{\"composite\":[[\"x\",\"int\"]]}", "(\"()\")", "{\"x\":null}", NULL},
    {"{\"composite\":[]}", "(\"()\")", "{}", NULL},
    {"{\"array\":\"text\"}", "(\"{\"\"(1,glad,2.50)\"\",\"\"(,,)\"\"}\")",
     "[\"(1,glad,2.50)\",\"(,,)\"]", NULL},
    {"\"bigint\"", "(5)", "\"5\"", "5"},
    {"{\"array\":\"bigint\"}", "(\"{7,NULL}\")", "[\"7\",null]", "[7,null]"},
    {"{\"array\":\"bigint\"}", "(\"{8,NULL}\")", "[\"8\",null]", "[8,null]"},
    {"{\"array\":\"int\"}", "(\"{1,2}\")", "[1,2]", NULL},
    {"{\"array\":{\"array\":\"int\"}}", "(\"{\"\"{1,2}\"\",\"\"{3}\"\",NULL}\")",
     "[[1,2],[3],null]", NULL},
    {"\"text\"", "($1.00)", "\"$1.00\"", NULL},
};

static void check(const char *type, const char *numbers, const char *record, const char *value,
                  enum change_fault expected)
{
    struct buf column = {0}, payload = {0};
    struct change_scratch scratch = {0};
    struct change_event events[2];
    enum change_fault fault;
    buf_printf(&column, COLUMN("v", "%s"), type);
    struct shape *shape = shape_make("[\"a\"]", numbers, 1000000, "[]", buf_text(&column));
    struct change_row row = {.action = 'i', .new = str_of(record)};
    assert_int_equal(change_events(shape, &row, &scratch, events, &fault), 1);
    buf_printf(&payload,
               "{\"data\":{\"action\":\"insert\",\"schema\":\"public\",\"table\":\"t\","
               "\"new\":{\"v\":%s},\"old\":null%s},\"dbo_id\":0,\"row_id\":0}",
               value, expected == CHANGE_FAULT_STALE ? ",\"reduced\":\"stale\"" : "");
    assert_span(events[0].payload, buf_text(&payload));
    assert_int_equal(fault, expected);
    change_scratch_release(&scratch);
    buf_release(&payload);
    buf_release(&column);
    shape_unref(shape);
}

static void test_as_postgres(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct json_case *c = &cases[i];
        check(c->type, "text", c->record, c->text, CHANGE_FAULT_NONE);
        check(c->type, "native", c->record, c->native ? c->native : c->text, CHANGE_FAULT_NONE);
    }
}

/* What does not fit its type is a string of the text, inside of other values too. */
static void test_stale(void **state)
{
    static const struct {
        const char *type;
        const char *record;
        const char *value;
    } stale[] = {
        {"\"bool\"", "(true)", "\"true\""},
        {"\"bool\"", "(\"\")", "\"\""},
        {"\"int\"", "(1.5)", "\"1.5\""},
        {"\"int\"", "(01)", "\"01\""},
        {"\"int\"", "(-)", "\"-\""},
        {"\"int\"", "(\"\")", "\"\""},
        {"\"bigint\"", "(NaN)", "\"NaN\""},
        {"\"bigint\"", "(1e5)", "\"1e5\""},
        {"\"numeric\"", "(\"a\"\"b\")", "\"a\\\"b\""},
        {"\"numeric\"", "(.5)", "\".5\""},
        {"\"float\"", "(0x1)", "\"0x1\""},
        {"\"float\"", "(inf)", "\"inf\""},
        {"\"date\"", "(01/02/2020)", "\"01/02/2020\""},
        {"\"timestamp\"", "(2020-01-01)", "\"2020-01-01\""},
        {"\"timestamptz\"", "(\"2020-01-01 10:00:00\")", "\"2020-01-01 10:00:00\""},
        {"\"json\"", "(\"{\"\"a\"\": 01}\")", "\"{\\\"a\\\": 01}\""},
        {"\"json\"", "(\"\")", "\"\""},
        {"\"verbatim\"", "([)", "\"[\""},
        {"\"hstore\"", "(\"\"\"a\"\"=>b\")", "\"\\\"a\\\"=>b\""},
        {"{\"array\":\"int\"}", "({1)", "\"{1\""},
        {"{\"array\":\"int\"}", "(\"{1,x,NULL}\")", "[1,\"x\",null]"},
        {"{\"vector\":\"int\"}", "(\"1  2\")", "\"1  2\""},
        {"{\"vector\":\"int\"}", "(\"1 2 \")", "\"1 2 \""},
        {"{\"range\":\"timestamptz\"}", "(\"[1,2)\")", "\"[1,2)\""},
        {"{\"multirange\":\"timestamptz\"}", "(\"{[,)\")", "\"{[,)\""},
        {"{\"composite\":[[\"x\",\"int\"]]}", "(\"(1,2)\")", "\"(1,2)\""},
        {"{\"composite\":[[\"x\",\"int\"],[\"y\",\"int\"]]}", "(\"(1)\")", "\"(1)\""},
        {"{\"composite\":[[\"x\",\"int\"],[\"y\",\"bool\"]]}", "(\"(1,2)\")",
         "{\"x\":1,\"y\":\"2\"}"},
        {"{\"composite\":[]}", "(\"(1)\")", "\"(1)\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
        check(stale[i].type, "text", stale[i].record, stale[i].value, CHANGE_FAULT_STALE);
        check(stale[i].type, "native", stale[i].record, stale[i].value, CHANGE_FAULT_STALE);
    }
}

/* So many brackets around nothing. */
static void check_depth(const char *type, const char brackets[2], unsigned depth, bool fits)
{
    struct buf record = {0}, text = {0}, value = {0};
    for (unsigned i = 0; i < 2 * depth; i++) {
        buf_char(&text, brackets[i / depth]);
        buf_char(&value, "[]"[i / depth]);
    }
    if (!fits) {
        buf_clear(&value);
        buf_json_string(&value, buf_span(&text));
    }
    buf_printf(&record, "(%s)", buf_text(&text));
    check(type, "text", buf_text(&record), buf_text(&value),
          fits ? CHANGE_FAULT_NONE : CHANGE_FAULT_STALE);
    buf_release(&record);
    buf_release(&text);
    buf_release(&value);
}

static void test_depth(void **state)
{
    (void)state;
    check_depth("\"json\"", "[]", 1024, true);
    check_depth("\"json\"", "[]", 1025, false);
    check_depth("{\"array\":\"int\"}", "{}", 64, true);
    check_depth("{\"array\":\"int\"}", "{}", 65, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_postgres),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
