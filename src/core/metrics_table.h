/* SPDX-License-Identifier: PostgreSQL */
/* The table of all metrics, and of their labels' values in the order of the cells.
 *
 * X(ID, name without "pgherald_", type, label or NONE, number of cells, help). A COUNTER only
 * grows, a GAUGE is summed over the threads, of a GREATEST the greatest of the threads counts. A
 * SPENT is a COUNTER of milliseconds, which is shown in seconds. */
#ifndef HERALD_CORE_METRICS_TABLE_H
#define HERALD_CORE_METRICS_TABLE_H

#include "core/error_code.h"

/* Why a handshake was refused, with the status of its answer. */
#define METRIC_REFUSAL_VALUES(X)                                                                   \
    X(BAD_REQUEST, "bad_request")           /* 400 and its like */                                 \
    X(TOKEN, "token")                       /* 401 */                                              \
    X(ORIGIN, "origin")                     /* 403 */                                              \
    X(CANONICAL, "canonical")               /* 404 */                                              \
    X(PATH, "path")                         /* 404 */                                              \
    X(NO_UPGRADE, "no_upgrade")             /* 426 */                                              \
    X(METRICS, "metrics")                   /* 401: of /metrics */                                 \
    X(TIMEOUT, "timeout")                   /* 408, or cut without a word */                       \
    X(HEAD_SIZE, "head_size")               /* 414, 431 */                                         \
    X(ADDRESS_RATE, "address_rate")         /* 429 */                                              \
    X(ADDRESS_SESSIONS, "address_sessions") /* 429 */                                              \
    X(PROXY_RATE, "proxy_rate")             /* 429 */                                              \
    X(PROXY_SESSIONS, "proxy_sessions")     /* 429 */                                              \
    X(PROXY_HEADER, "proxy_header")         /* closed: no PROXY header where one must be */        \
    X(PROXY_STRANGER, "proxy_stranger")     /* closed: and from none of trusted-proxies */         \
    X(SESSIONS, "sessions")                 /* 503 */                                              \
    X(SOCKETS, "sockets")                   /* 503, unread */                                      \
    X(NOT_READY, "not_ready")               /* 503: the database */                                \
    X(SWITCHED_OFF, "switched_off")         /* 503 */                                              \
    X(STOPPING, "stopping")                 /* 503 */

#define METRIC_FRAME_VALUES(X)                                                                     \
    X(TEXT, "text") X(PING, "ping") X(PONG, "pong") X(CLOSE, "close") X(INVALID, "invalid")

#define METRIC_MESSAGE_VALUES(X)                                                                   \
    X(EPHEMERAL, "ephemeral") X(DURABLE, "durable") X(PRIVATE, "private") X(DROPPED, "dropped")

/* The limits that a client can run into; what sets each, mostly an option, has about the same name. */
#define METRIC_LIMIT_VALUES(X)                                                                     \
    X(SESSION_MESSAGES, "session_messages")                                                        \
    X(SESSION_JOINS, "session_joins")                                                              \
    X(SESSION_BYTES, "session_bytes")                                                              \
    X(SESSION_CHANNELS, "session_channels")                                                        \
    X(SESSION_HELD, "session_held")                                                                \
    X(SESSION_INVALID, "session_invalid")                                                          \
    X(FRAME_BYTES, "frame_bytes")                                                                  \
    X(USER_SESSIONS, "user_sessions")                                                              \
    X(ADDRESS_SESSIONS, "address_sessions")                                                        \
    X(ADDRESS_HANDSHAKES, "address_handshakes")                                                    \
    X(PROXY_SESSIONS, "proxy_sessions")                                                            \
    X(PROXY_HANDSHAKES, "proxy_handshakes")                                                        \
    X(CHANNEL_MEMBERS, "channel_members")                                                          \
    X(CHANNEL_MESSAGES, "channel_messages")                                                        \
    X(MESSAGES_PER_MINUTE, "messages_per_minute")                                                  \
    X(CHANNELS, "channels")                                                                        \
    X(SESSIONS, "sessions")                                                                        \
    X(HELD_BYTES, "held_bytes")                                                                    \
    X(PARTIAL_BYTES, "partial_bytes")                                                              \
    X(APPEND_BYTES, "append_bytes")                                                                \
    X(OUTQUEUE, "outqueue")                                                                        \
    X(OUTQUEUE_SOFT, "outqueue_soft")                                                              \
    X(OUTQUEUE_TOTAL, "outqueue_total")                                                            \
    X(ACCEPT_RATE, "accept_rate")                                                                  \
    X(TRANSIT_BYTES, "transit_bytes")

#define METRIC_CALL_VALUES(X) X(DONE, "done") X(REFUSED, "refused") X(FAILED, "failed")
/* What came of a private message for which other servers were asked. */
#define METRIC_ANSWER_VALUES(X)                                                                    \
    X(DELIVERED, "delivered") X(NOWHERE, "nowhere") X(REFUSED, "refused") X(UNKNOWN, "unknown")
#define METRIC_VERDICT_VALUES(X)                                                                   \
    X(ACCEPTED, "accepted") X(REFUSED, "refused") X(EXPIRED, "expired") X(OPAQUE, "opaque")
/* Why a change was not announced whole: enum change_fault. */
#define METRIC_FAULT_VALUES(X)                                                                     \
    X(SIZE, "size")                                                                                \
    X(STALE, "stale")                                                                              \
    X(UNPRINTABLE, "unprintable") X(CHANNEL, "channel") X(TEMPLATE, "template")
#define METRIC_RESULT_VALUES(X) X(DONE, "done") X(FAILED, "failed")
#define METRIC_ACCEPT_FAILURE_VALUES(X) X(DESCRIPTORS, "descriptors") X(OTHER, "other")

/* Another node, as it is heard. */
#define METRIC_PEER_VALUES(X) X(ALIVE, "alive") X(STALE, "stale") X(OTHER_VERSION, "other_version")
/* Why a message of the bus was lost. */
#define METRIC_BUS_DROP_VALUES(X)                                                                  \
    X(UNSIGNED, "unsigned")                                                                        \
    X(VERSION, "version")                                                                          \
    X(MALFORMED, "malformed")                                                                      \
    X(REPEATED, "repeated")                                                                        \
    X(LATE, "late")                                                                                \
    X(STRANGER, "stranger")                                                                        \
    X(FULL, "full") X(UNSENT, "unsent")

/* What RFC 6455 and this server close with; all others are one. */
#define METRIC_CLOSE_VALUES(X)                                                                     \
    X(1000)                                                                                        \
    X(1001) X(1002) X(1003) X(1005) X(1007) X(1008) X(1009) X(1011) X(1012) X(1013) X(4000) X(4401)

#define METRIC_VALUE(id, text) METRIC_REFUSAL_##id,
enum { METRIC_REFUSAL_VALUES(METRIC_VALUE) METRIC_N_REFUSALS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_FRAME_##id,
enum { METRIC_FRAME_VALUES(METRIC_VALUE) METRIC_N_FRAMES };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_MESSAGE_##id,
enum { METRIC_MESSAGE_VALUES(METRIC_VALUE) METRIC_N_MESSAGES };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_LIMIT_##id,
enum { METRIC_LIMIT_VALUES(METRIC_VALUE) METRIC_N_LIMITS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_CALL_##id,
enum { METRIC_CALL_VALUES(METRIC_VALUE) METRIC_N_CALLS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_ANSWER_##id,
enum { METRIC_ANSWER_VALUES(METRIC_VALUE) METRIC_N_ANSWERS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_VERDICT_##id,
enum { METRIC_VERDICT_VALUES(METRIC_VALUE) METRIC_N_VERDICTS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_RESULT_##id,
enum { METRIC_RESULT_VALUES(METRIC_VALUE) METRIC_N_RESULTS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_FAULT_##id,
enum { METRIC_FAULT_VALUES(METRIC_VALUE) METRIC_N_FAULTS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_PEER_##id,
enum { METRIC_PEER_VALUES(METRIC_VALUE) METRIC_N_PEERS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_BUS_DROP_##id,
enum { METRIC_BUS_DROP_VALUES(METRIC_VALUE) METRIC_N_BUS_DROPS };
#undef METRIC_VALUE
#define METRIC_VALUE(id, text) METRIC_ACCEPT_FAILURE_##id,
enum { METRIC_ACCEPT_FAILURE_VALUES(METRIC_VALUE) METRIC_N_ACCEPT_FAILURES };
#undef METRIC_VALUE
#define METRIC_VALUE(code) METRIC_CLOSE_##code,
enum { METRIC_CLOSE_VALUES(METRIC_VALUE) METRIC_CLOSE_OTHER, METRIC_N_CLOSES };
#undef METRIC_VALUE
#define METRIC_VALUE(id, wire, text) METRIC_ERROR_##id,
enum { ERROR_CODES(METRIC_VALUE) METRIC_N_ERRORS };
#undef METRIC_VALUE

#define METRICS(X)                                                                                 \
    /* connections */                                                                              \
    X(SOCKETS, "sockets", GAUGE, NONE, 1, "Open connections, sessions among them.")                \
    X(SESSIONS, "sessions", GAUGE, NONE, 1, "Open sessions.")                                      \
    X(ACCEPTS, "accepts_total", COUNTER, NONE, 1, "Connections that were accepted.")               \
    X(ACCEPT_FAILURES, "accept_failures_total", COUNTER, REASON_ACCEPT, METRIC_N_ACCEPT_FAILURES,  \
      "Connections that could not be accepted: no file descriptor was left, or another reason.")   \
    X(TLS_HANDSHAKES, "tls_handshakes_total", COUNTER, NONE, 1, "TLS handshakes that succeeded.")  \
    X(TLS_FAILURES, "tls_failures_total", COUNTER, NONE, 1,                                        \
      "TLS connections that ended before anything was said in them.")                              \
    X(HTTP_REQUESTS, "http_requests_total", COUNTER, NONE, 1,                                      \
      "Plain HTTP requests that were answered, with whatever status.")                             \
    X(HANDSHAKES, "handshakes_accepted_total", COUNTER, NONE, 1,                                   \
      "WebSocket handshakes that became a session.")                                               \
    X(DEFERRED, "requests_deferred_total", COUNTER, NONE, 1,                                       \
      "Handshakes and requests that waited a turn of the loop, because those before them took "    \
      "long.")                                                                                     \
    X(REFUSALS, "handshakes_refused_total", COUNTER, REASON_REFUSAL, METRIC_N_REFUSALS,            \
      "Connections that did not become a session, by reason.")                                     \
    X(CLOSES, "closes_total", COUNTER, CODE_CLOSE, METRIC_N_CLOSES,                                \
      "Sessions that were closed by a close frame, ours or the client's, by its code.")            \
    X(PINGS_MISSED, "pings_missed_total", COUNTER, NONE, 1,                                        \
      "Pings that nothing was heard after in time.")                                               \
    X(SILENT, "silent_sessions_total", COUNTER, NONE, 1,                                           \
      "Sessions that were cut because nothing was heard of them.")                                 \
    /* in */                                                                                       \
    X(FRAMES_RECEIVED, "frames_received_total", COUNTER, KIND_FRAME, METRIC_N_FRAMES,              \
      "What clients sent: whole text messages, control frames, violations of the protocol.")       \
    X(BYTES_RECEIVED, "received_bytes_total", COUNTER, NONE, 1, "Bytes that sessions sent.")       \
    X(PARTIAL_BYTES, "partial_bytes", GAUGE, NONE, 1,                                              \
      "Bytes of messages that have not come whole yet.")                                           \
    X(READING_PAUSES, "reading_pauses_total", COUNTER, NONE, 1,                                    \
      "Times that a worker stopped reading because the hub or the workers were behind.")           \
    X(INTAKE_BYTES, "intake_bytes", GAUGE, NONE, 1,                                                \
      "Bytes of commands that wait for the hub in its mailbox.")                                   \
    X(INTAKE, "intake_commands", GAUGE, NONE, 1, "Commands that wait for the hub in its mailbox.") \
    X(HELD, "held_commands", GAUGE, NONE, 1,                                                       \
      "Commands that wait because an earlier one of their session waits.")                         \
    X(HELD_BYTES, "held_bytes", GAUGE, NONE, 1, "Bytes of these.")                                 \
    X(MESSAGES, "messages_total", COUNTER, KIND_MESSAGE, METRIC_N_MESSAGES,                        \
      "Clients' messages that were allowed; `dropped` ones by the rule's function.")               \
    X(RELAYED_OUT, "messages_relayed_out_total", COUNTER, NONE, 1,                                 \
      "Those of them, ephemeral or to an identity, that other servers were given, too.")           \
    X(RELAYED_IN, "messages_relayed_in_total", COUNTER, NONE, 1,                                   \
      "Such messages of clients of other servers that came here.")                                 \
    X(PRIVATE_QUESTIONS, "private_questions", GAUGE, NONE, 1,                                      \
      "Private messages that wait, as other servers are asked for the addressee.")                 \
    X(PRIVATE_ANSWERS, "private_answers_total", COUNTER, ANSWER, METRIC_N_ANSWERS,                 \
      "What came of these; `unknown` if not all servers answered within a second.")                \
    X(PARCELS_BAD, "parcels_bad_total", COUNTER, NONE, 1,                                          \
      "What other servers said that this one could not understand, and has dropped.")              \
    X(JOINS, "joins_total", COUNTER, NONE, 1, "Joins that were acknowledged.")                     \
    X(RESUMES, "resumes_total", COUNTER, NONE, 1, "Joins that resumed without a gap.")             \
    X(GAPS, "gaps_total", COUNTER, NONE, 1,                                                        \
      "Gaps that were told: a join could not resume, or a row cannot be judged.")                  \
    X(HISTORIES, "histories_total", COUNTER, NONE, 1, "Histories that were asked for and sent.")   \
    X(REPLAYED, "replayed_events_total", COUNTER, NONE, 1,                                         \
      "Missed events that were sent to sessions that came back.")                                  \
    X(SNAPSHOTS, "snapshots_total", COUNTER, NONE, 1, "Snapshots of rows that were sent.")         \
    X(SNAPSHOT_READS, "snapshot_reads_total", COUNTER, NONE, 1,                                    \
      "Reads that were made for them: equal ones at the same time share one.")                     \
    X(SNAPSHOT_ROWS, "snapshot_rows_total", COUNTER, NONE, 1, "Rows that these reads gave.")       \
    X(SNAPSHOTS_SHARED, "snapshots_shared_total", COUNTER, NONE, 1,                                \
      "Joins with a snapshot that have shared the read of another one.")                           \
    X(SNAPSHOTS_FAILED, "snapshots_failed_total", COUNTER, NONE, 1,                                \
      "Snapshots that were refused or failed: too large, or the database could not.")              \
    X(SNAPSHOTS_REFUSED, "snapshots_refused_total", COUNTER, NONE, 1,                              \
      "Those of them for which too many reads waited already.")                                    \
    X(SNAPSHOTS_QUEUED, "snapshot_reads_queued", GAUGE, NONE, 1,                                   \
      "Reads that wait until as many in a second are allowed again.")                              \
    X(MEMORY_ANSWERS, "memory_answers_total", COUNTER, NONE, 1,                                    \
      "Joins that resume, and histories, that were answered without a read.")                      \
    X(MEMORY_ROWS, "memory_rows", GAUGE, NONE, 1,                                                  \
      "Newest events of the log that are kept in memory (recent-rows).")                           \
    X(MEMORY_BYTES, "memory_bytes", GAUGE, NONE, 1, "Their size (recent-bytes).")                  \
    X(READS_QUEUED, "reads_queued", GAUGE, NONE, 1,                                                \
      "Joins, histories and replays that wait for their turn to read.")                            \
    X(ERRORS, "errors_total", COUNTER, CODE_ERROR, METRIC_N_ERRORS,                                \
      "Error frames that were sent, by code.")                                                     \
    X(LIMITS, "limits_total", COUNTER, LIMIT, METRIC_N_LIMITS,                                     \
      "Times that a limit was reached, by limit.")                                                 \
    /* out */                                                                                      \
    X(CHANNELS, "channels", GAUGE, NONE, 1, "Channels that have members.")                         \
    X(SUBSCRIPTIONS, "subscriptions", GAUGE, NONE, 1, "Sessions in channels.")                     \
    X(PRESENCE_MEMBERS, "presence_members", GAUGE, NONE, 1,                                        \
      "Members listed in channels with presence.")                                                 \
    X(PRESENCE_REMOTE, "presence_remote_members", GAUGE, NONE, 1,                                  \
      "Members on other nodes, as far as these have told.")                                        \
    X(PRESENCE_WISHES, "presence_wishes_total", COUNTER, NONE, 1,                                  \
      "Times that another node was asked for all its members: it came, or something was missed.")  \
    X(EVENTS, "events_total", COUNTER, NONE, 1,                                                    \
      "Durable events that came from the log: changes, publishes and messages.")                   \
    X(DELIVERIES, "deliveries_total", COUNTER, NONE, 1, "Frames that were queued for a session.")  \
    X(BYTES_SENT, "sent_bytes_total", COUNTER, NONE, 1, "Bytes that were written.")                \
    X(WRITES, "writes_total", COUNTER, NONE, 1, "System calls that wrote them, at least.")         \
    X(ORDERS, "orders_waiting", GAUGE, NONE, 1,                                                    \
      "Orders of the hub that wait for a worker (a frame for a channel is one).")                  \
    X(FRAME_BYTES, "frames_bytes", GAUGE, NONE, 1,                                                 \
      "Memory of all frames that somebody has yet to be sent, each counted once.")                 \
    X(OUTQUEUE_BYTES, "outqueue_bytes", GAUGE, NONE, 1,                                            \
      "Unsent bytes over all sessions, each session's counted; looked at once a second.")          \
    X(OUTQUEUE_MAX, "outqueue_max_bytes", GREATEST, NONE, 1,                                       \
      "Unsent bytes of the session that has most of them; looked at once a second.")               \
    /* the database */                                                                             \
    X(DATABASE_UP, "database_up", GAUGE, NONE, 1, "1 while the road to the database is up.")       \
    X(DATABASE_DOWNS, "database_downs_total", COUNTER, NONE, 1,                                    \
      "Times that the road to the database was lost.")                                             \
    X(EPOCH_CHANGES, "epoch_changes_total", COUNTER, NONE, 1,                                      \
      "Times that positions became void and all sessions were closed.")                            \
    X(LOG_ID, "log_newest_id", GAUGE, NONE, 1, "The newest event of the log that was delivered.")  \
    X(LEADING, "leading", GAUGE, NONE, 1,                                                          \
      "1 while this node leads: it moves changes to the log, for all nodes.")                      \
    X(TERM, "term", GREATEST, NONE, 1,                                                             \
      "How often a node began to lead; of nodes that differ, the lower one has yet to notice.")    \
    X(LOG_LAG, "log_lag_events", GAUGE, NONE, 1,                                                   \
      "Events that are known to be in the log and were not delivered here yet.")                   \
    X(PIECE_ROWS, "log_rows_heard_total", COUNTER, NONE, 1,                                        \
      "Events of the log that other nodes brought, and were delivered.")                           \
    X(LOG_READS, "log_reads_total", COUNTER, NONE, 1,                                              \
      "Reads of the log for events that nobody brought.")                                          \
    X(LOG_READ_ROWS, "log_rows_read_total", COUNTER, NONE, 1, "Events that these reads gave.")     \
    X(BATCHES, "sequencer_batches_total", COUNTER, NONE, 1,                                        \
      "Transactions that looked into the outbox.")                                                 \
    X(BATCH_ROWS, "sequencer_rows_total", COUNTER, NONE, 1, "Events that they put into the log.")  \
    X(REDUCED, "changes_reduced_total", COUNTER, REASON_FAULT, METRIC_N_FAULTS,                    \
      "Changes that were announced by their key only, or with a value of another type, by "        \
      "reason.")                                                                                   \
    X(SKIPPED, "changes_skipped_total", COUNTER, REASON_FAULT, METRIC_N_FAULTS,                    \
      "Changes that were not announced, by reason; herald.watches has both by table.")             \
    X(APPENDS, "appends_waiting", GAUGE, NONE, 1, "Messages that wait for the log.")               \
    X(APPEND_BYTES, "appends_waiting_bytes", GAUGE, NONE, 1, "Bytes of these.")                    \
    X(READS, "reads_waiting", GAUGE, NONE, 1, "Reads of channels that are under way.")             \
    X(READS_DONE, "reads_total", COUNTER, CALL, METRIC_N_CALLS,                                    \
      "Reads of channels that were answered.")                                                     \
    X(OUTBOX_ROWS, "outbox_rows", GAUGE, NONE, 1,                                                  \
      "Changes that wait in the outbox; looked at every ten seconds, as the next two.")            \
    X(OUTBOX_BYTES, "outbox_bytes", GAUGE, NONE, 1, "Bytes of these.")                             \
    X(OUTBOX_AGE, "outbox_age_seconds", GAUGE, NONE, 1, "Age of the oldest of these.")             \
    X(HOOK_CALLS, "hook_calls_total", COUNTER, CALL, METRIC_N_CALLS,                               \
      "Calls of rules' functions, by how they ended.")                                             \
    X(HOOKS_WAITING, "hook_calls_waiting", GAUGE, NONE, 1, "Calls that wait for a connection.")    \
    X(HOOKS_RUNNING, "hook_calls_running", GAUGE, NONE, 1, "Calls that are in the database.")      \
    X(SNAPSHOT_READ_MS, "snapshot_reads_seconds_total", SPENT, NONE, 1,                            \
      "How long reads for snapshots took in the database.")                                        \
    X(JUDGE_CALLS, "judge_calls_total", COUNTER, CALL, METRIC_N_CALLS,                             \
      "Calls that asked the database who may see rows; `refused` ones were stopped, as they took " \
      "too long.")                                                                                 \
    X(JUDGE_VERDICTS, "judge_verdicts_total", COUNTER, NONE, 1,                                    \
      "What they have said: of one row, as it was or is, for one group.")                          \
    X(JUDGE_MS, "judge_seconds_total", SPENT, NONE, 1, "How long they took in the database.")      \
    X(JUDGES_WAITING, "judge_calls_waiting", GAUGE, NONE, 1,                                       \
      "Those that are in the database, or wait for a connection.")                                 \
    X(AUTHORIZE_HITS, "authorize_cache_hits_total", COUNTER, NONE, 1,                              \
      "Answers of authorize functions that were still known.")                                     \
    /* other nodes */                                                                              \
    X(BUS_UP, "bus_up", GAUGE, NONE, 1,                                                            \
      "1 while other nodes can be reached; always with `--bus local`.")                            \
    X(BUS_PEERS, "bus_peers", GAUGE, STATE_PEER, METRIC_N_PEERS,                                   \
      "Other nodes that are there; `stale` ones have been silent for three seconds, and what "     \
      "those of an `other_version` say is not understood.")                                        \
    X(BUS_VERSION, "bus_version", GAUGE, NONE, 1,                                                  \
      "In which version the bus is spoken: that before the program's own until all others read "   \
      "its own; 0 with `--bus local`.")                                                            \
    X(BUS_SENT, "bus_sent_total", COUNTER, NONE, 1, "Messages that were given to the bus.")        \
    X(BUS_SENT_BYTES, "bus_sent_bytes_total", COUNTER, NONE, 1, "Bytes of these.")                 \
    X(BUS_RECEIVED, "bus_received_total", COUNTER, NONE, 1,                                        \
      "Messages of other nodes that came over the bus, signed and for this one.")                  \
    X(BUS_RECEIVED_BYTES, "bus_received_bytes_total", COUNTER, NONE, 1,                            \
      "Bytes that came over the bus, whoever sent them.")                                          \
    X(BUS_DROPPED, "bus_dropped_total", COUNTER, REASON_BUS_DROP, METRIC_N_BUS_DROPS,              \
      "Messages of the bus that were lost, by reason: not signed with the database's key, there "  \
      "before, over a second late, of a node that has not introduced itself, no room in the "      \
      "queue, or `unsent` because the connection broke.")                                          \
    /* tokens */                                                                                   \
    X(TOKENS, "tokens_total", COUNTER, VERDICT, METRIC_N_VERDICTS,                                 \
      "Tokens that were checked, by verdict; `opaque` ones are for the database.")                 \
    X(TOKEN_OPERATIONS, "token_operations_total", COUNTER, NONE, 1,                                \
      "Signatures verified and keys used to decrypt.")                                             \
    X(TOKEN_KEYS, "token_keys", GAUGE, NONE, 1, "Keys for tokens that are in force.")              \
    X(JWKS_FETCHES, "jwks_fetches_total", COUNTER, RESULT, METRIC_N_RESULTS,                       \
      "Fetches of the JWK set, by how they ended.")                                                \
    /* the process */                                                                              \
    X(WORKERS, "workers", GAUGE, NONE, 1, "Threads that own sockets.")                             \
    X(CONFIG_RELOADS, "config_reloads_total", COUNTER, RESULT, METRIC_N_RESULTS,                   \
      "SIGHUPs, by whether options, keys and certificate could all be read; the log says why "     \
      "not.")                                                                                      \
    X(LOG_LINES_LOST, "log_lines_lost_total", COUNTER, NONE, 1,                                    \
      "Lines of the log that could not be written.")                                               \
    X(START_TIME, "start_time_seconds", GAUGE, NONE, 1,                                            \
      "When the process started, in seconds since 1970.")

#endif
