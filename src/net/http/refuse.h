/* SPDX-License-Identifier: PostgreSQL */
/* Who is turned away, and what each is told: the metrics, the log and the answer of a refusal. */
#ifndef HERALD_NET_HTTP_REFUSE_H
#define HERALD_NET_HTTP_REFUSE_H

#include "proto/http_head.h"

struct address;
struct socket;
struct worker;

/* A reason is one of METRIC_REFUSAL. Counts it, has the log say it, and answers. */
void refuse_request(struct socket *socket, const struct http_head *head, unsigned reason);
/* The same for a token; `why` is half a sentence of its verifier. */
void refuse_token(struct socket *socket, const struct http_head *head, const char *why);
/* What somebody who asks why is told: a sentence for the person before the page. Of those reasons
 * that a handshake can be refused for. */
const char *refuse_sentence(unsigned reason);
const char *refuse_code(unsigned reason); /* as metrics and pages name it */

/* Counts a connection that does not become a session, and has the log say it: all refusals pass
 * here. head and detail may be NULL. */
void refuse_note(struct socket *socket, const struct http_head *head, unsigned reason,
                 const char *detail);
/* The same for one that no socket was made of. */
void refuse_note_unread(const struct worker *worker, const struct address *peer, unsigned reason,
                        const char *detail);
/* A whole answer for a connection that is refused unread. */
extern const char refuse_unread[];

#endif
