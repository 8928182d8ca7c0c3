/* SPDX-License-Identifier: PostgreSQL */
/* A position is an epoch and an offset: that of the acknowledgement, then that of each frame that has
 * one. After a cut the next join names it, and the server sends what was missed or says that it
 * cannot. Nobody is told of a cut by silence: who has heard nothing for long asks. */
#include "cli/wire/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/ask/print.h"
#include "core/close_code.h"
#include "core/json_walk.h"

enum {
    CONNECT_MS = 10000,
    LOOK_MS = 5000,
    SILENCE_MS = 30000, /* then it asks, as pages do */
    DEAD_MS = 40000,
    DELAY_MIN_MS = 500, /* between attempts: doubled each time, and up to half of it more */
    DELAY_MAX_MS = 15000,
};

#define REF "tail"

enum ending {
    ENDING_NONE,
    ENDING_DONE,
    ENDING_CUT,
    ENDING_REFUSED, /* err says by whom */
};

struct follow {
    const struct follow_options *options;
    struct client *client;
    struct buf epoch;
    uint64_t offset, n_frames;
    bool has_position, was_in;
    uint32_t delay_ms;
};

/* ---- what is said ---- */

/* A command that can be pasted: the channel is one word of a shell, whatever is in it. */
static void put_advice(struct buf *out, const struct follow_options *options)
{
    bool is_anonymous = !options->token && !options->token_file;
    buf_literal(out, " pgherald why '");
    for (const char *c = options->channel; *c; c++) {
        if (*c == '\'') {
            buf_literal(out, "'\\'");
        }
        buf_char(out, *c);
    }
    buf_printf(out, "' %s says who decides", is_anonymous ? "--anonymous" : "--as DBO/ROW");
}

static enum ending refuse(const struct follow *follow, struct err *err, const struct told *told)
{
    struct buf message = {0}, code = {0}, advice = {0};
    told_string(told_member(told->payload, "message"), &message);
    told_string(told_member(told->payload, "code"), &code);
    bool is_ruled =
        code.len > 0 && strstr("no_channel anonymous_refused join_refused", buf_text(&code));
    if (is_ruled) {
        put_advice(&advice, follow->options);
    }
    err_set(err, EXIT_CODE_FAILED, "%s (%s)%s", buf_text(&message), buf_text(&code),
            buf_text(&advice));
    buf_release(&advice);
    buf_release(&message);
    buf_release(&code);
    return ENDING_REFUSED;
}

static void note_error(const struct told *told)
{
    struct buf message = {0};
    told_string(told_member(told->payload, "message"), &message);
    log_warn("%s", buf_text(&message));
    buf_release(&message);
}

static bool error_is(const struct told *told, const char *code)
{
    struct buf found = {0};
    told_string(told_member(told->payload, "code"), &found);
    bool is = strcmp(buf_text(&found), code) == 0;
    buf_release(&found);
    return is;
}

/* Before the acknowledgement an error is the join's, but for that of the token: without one that was
 * accepted the join is an anonymous client's. */
static enum ending take_error(struct follow *follow, const struct told *told, struct err *err)
{
    bool is_token = error_is(told, "token_invalid") || error_is(told, "token_expired");
    if (error_is(told, "removed") || (str_equals(told->ref, STR(REF)) && !is_token)) {
        return refuse(follow, err, told);
    }
    note_error(told);
    return ENDING_NONE;
}

/* ---- positions ---- */

static void take_position(struct follow *follow, struct str payload)
{
    struct str epoch = told_member(payload, "epoch"), offset = told_member(payload, "offset");
    uint64_t number;
    if (str_to_u64(offset, &number)) {
        buf_clear(&follow->epoch);
        told_string(epoch, &follow->epoch);
        follow->offset = number;
        follow->has_position = true;
    }
}

static void take_acknowledgement(struct follow *follow, const struct told *told)
{
    bool is_gap = str_equals(told_member(told->payload, "gap"), STR("true"));
    bool is_resumed = str_equals(told_member(told->payload, "resumed"), STR("true"));
    const char *channel = follow->options->channel;
    if (is_gap) {
        log_warn("gap: what happened on %s meanwhile cannot be told any more", channel);
    }
    if (!is_resumed) { /* else what was missed comes now, and moves it */
        take_position(follow, told->payload);
    }
    if (str_equals(told->ref, STR(REF))) {
        log_info("%s %s, at %s/%llu", follow->was_in ? "again on" : "on", channel,
                 buf_text(&follow->epoch), (unsigned long long)follow->offset);
        follow->was_in = true;
        follow->delay_ms = 0;
    }
}

/* ---- frames ---- */

static enum ending give(struct follow *follow, const struct told *told)
{
    uint64_t id;
    bool wants_more = follow->options->on_frame(follow->options->arg, told);
    if (str_to_u64(told->id, &id)) {
        follow->offset = id;
    }
    follow->n_frames++;
    bool is_last = follow->options->most > 0 && follow->n_frames >= follow->options->most;
    return is_last || !wants_more ? ENDING_DONE : ENDING_NONE;
}

/* Of events before the acknowledgement's offset: they move nothing. */
static enum ending give_history(struct follow *follow, const struct told *told)
{
    struct json_walk walk = json_walk_open(told_member(told->payload, "history"));
    enum ending ending = ENDING_NONE;
    uint64_t offset = follow->offset;
    struct str key, frame;
    struct told past;
    while (ending == ENDING_NONE && json_walk_next(&walk, &key, &frame)) {
        if (told_read(frame, &past)) {
            ending = give(follow, &past);
        }
    }
    follow->offset = offset;
    return ending;
}

static enum ending take_frame(struct follow *follow, struct str text, struct err *err)
{
    struct told told;
    if (!told_read(text, &told)) {
        err_set(err, EXIT_CODE_FAILED, "what comes from there is no frame of this wire");
        return ENDING_REFUSED;
    }
    if (str_equals(told.action, STR("event")) || str_equals(told.action, STR("message"))) {
        return give(follow, &told);
    }
    if (str_equals(told.action, STR("history"))) {
        return give_history(follow, &told);
    }
    if (str_equals(told.action, STR("join"))) {
        take_acknowledgement(follow, &told);
    } else if (str_equals(told.action, STR("error"))) {
        return take_error(follow, &told, err);
    }
    return ENDING_NONE;
}

/* ---- a session ---- */

static enum ending take_close(struct follow *follow, const struct client_news *news,
                              struct err *err)
{
    bool has_other_token = follow->options->token_file;
    bool is_final =
        news->code == CLOSE_CODE_NORMAL || news->code == CLOSE_CODE_UNAUTHORIZED ||
        (news->code >= CLOSE_CODE_PROTOCOL_ERROR && news->code <= CLOSE_CODE_UNSUPPORTED) ||
        (news->code >= CLOSE_CODE_INVALID_DATA && news->code <= CLOSE_CODE_POLICY) ||
        (news->code == CLOSE_CODE_TOKEN_EXPIRED && !has_other_token);
    struct buf reason = {0};
    print_escape(&reason, news->text);
    if (is_final) {
        err_set(err, EXIT_CODE_FAILED, "the server has closed: %d %s", news->code,
                buf_text(&reason));
    } else {
        log_warn("cut: %d%s%s", news->code, reason.len > 0 ? " " : "", buf_text(&reason));
    }
    buf_release(&reason);
    return is_final ? ENDING_REFUSED : ENDING_CUT;
}

static enum ending look_after(struct client *client)
{
    uint64_t silent_ms = clock_ms() - client_heard_ms(client);
    if (silent_ms > DEAD_MS) {
        log_warn("cut: the server is silent");
        return ENDING_CUT;
    }
    if (silent_ms > SILENCE_MS) {
        (void)client_ping(client);
    }
    return ENDING_NONE;
}

static enum ending take_news(struct follow *follow, struct err *err)
{
    struct client_news news;
    client_receive(follow->client, LOOK_MS, &news);
    switch (news.kind) {
    case CLIENT_NEWS_TEXT:
        return take_frame(follow, news.text, err);
    case CLIENT_NEWS_LATE:
        return look_after(follow->client);
    case CLIENT_NEWS_STOPPED:
        return ENDING_DONE;
    case CLIENT_NEWS_CLOSED:
        break;
    }
    return take_close(follow, &news, err);
}

static void send_join(struct follow *follow)
{
    struct buf frame = {0};
    buf_literal(&frame, "{\"action\":\"join\",\"options\":{\"ref\":\"" REF "\",\"channel\":");
    buf_json_string(&frame, str_of(follow->options->channel));
    buf_literal(&frame, "},\"payload\":{\"history\":");
    buf_literal(&frame, follow->options->wants_history && !follow->was_in ? "true" : "false");
    if (follow->has_position) {
        buf_literal(&frame, ",\"since\":{\"epoch\":");
        buf_json_string(&frame, buf_span(&follow->epoch));
        buf_printf(&frame, ",\"offset\":%llu}", (unsigned long long)follow->offset);
    }
    buf_literal(&frame, "}}");
    (void)client_send(follow->client, buf_span(&frame));
    buf_release(&frame);
}

static enum status open_session(struct follow *follow, bool *is_final, struct err *err)
{
    const struct follow_options *options = follow->options;
    char *own = options->token_file ? str_first_line(options->token_file) : NULL;
    struct client_options client_options = {
        .line = {.target = options->target,
                 .ca_file = options->ca_file,
                 .timeout_ms = CONNECT_MS,
                 .stop_fd = options->stop_fd},
        .token = own ? own : options->token,
    };
    enum status status;
    if (options->token_file && !own) {
        *is_final = true;
        status = err_set(err, EXIT_CODE_CONFIG, "cannot read --token-file %s", options->token_file);
    } else {
        status = client_open(&client_options, &follow->client, is_final, err);
    }
    free(own);
    return status;
}

static bool is_stopped(const struct follow *follow, uint32_t wait_ms)
{
    struct pollfd fd = {.fd = follow->options->stop_fd, .events = POLLIN};
    return poll(&fd, 1, (int)wait_ms) > 0;
}

static enum ending run_session(struct follow *follow, struct err *err)
{
    bool is_final = false;
    enum ending ending = ENDING_NONE;
    if (open_session(follow, &is_final, err) != STATUS_OK) {
        if (is_stopped(follow, 0)) {
            return ENDING_DONE;
        }
        if (is_final || !follow->was_in) {
            return ENDING_REFUSED;
        }
        log_warn("%s", err->text);
        return ENDING_CUT;
    }
    send_join(follow);
    while (ending ==
           ENDING_NONE) { /* what keeps coming is read without a wait, which would see it */
        ending = is_stopped(follow, 0) ? ENDING_DONE : take_news(follow, err);
    }
    client_close(follow->client);
    follow->client = NULL;
    return ending;
}

/* ---- the sessions after each other ---- */

/* Not all at the same moment, if many follow one server. */
static uint32_t next_delay(struct follow *follow)
{
    uint32_t chance;
    uint32_t twice = follow->delay_ms * 2;
    id_random(&chance, sizeof(chance));
    follow->delay_ms = twice < DELAY_MIN_MS   ? DELAY_MIN_MS
                       : twice > DELAY_MAX_MS ? DELAY_MAX_MS
                                              : twice;
    return follow->delay_ms + chance % (follow->delay_ms / 2);
}

static enum status read_since(struct follow *follow, struct err *err)
{
    const char *since = follow->options->since;
    const char *slash = since ? strrchr(since, '/') : NULL;
    if (!since) {
        return STATUS_OK;
    }
    if (!slash || slash == since || !str_to_u64(str_of(slash + 1), &follow->offset)) {
        return err_set(err, EXIT_CODE_USAGE,
                       "--since wants EPOCH/OFFSET, as it was said when it joined");
    }
    buf_add(&follow->epoch, since, (size_t)(slash - since));
    follow->has_position = true;
    return STATUS_OK;
}

enum status follow(const struct follow_options *options, struct err *err)
{
    struct follow follow = {.options = options};
    enum ending ending = ENDING_CUT;
    if (read_since(&follow, err) != STATUS_OK) {
        return STATUS_FAILED;
    }
    while (ending == ENDING_CUT) {
        ending = run_session(&follow, err);
        if (ending == ENDING_CUT && is_stopped(&follow, next_delay(&follow))) {
            ending = ENDING_DONE;
        }
    }
    buf_release(&follow.epoch);
    return ending == ENDING_DONE ? STATUS_OK : STATUS_FAILED;
}
