/* SPDX-License-Identifier: PostgreSQL */
#include "core/hub/live/gap.h"

#include "core/hub/ground/say.h"

struct frame *gap_frame(const struct hub *hub, const struct channel *channel,
                        const struct view *view, uint64_t offset)
{
    struct protocol_joined joined = {
        .channel = channel_name(channel),
        .view = view_name(view),
        .epoch = str_of(hub->epoch),
        .offset = offset,
        .is_gap = true,
    };
    struct frame *frame = hub->protocol->joined(&joined);
    frame->offset = offset;
    return frame;
}

void gap_tell(struct hub *hub, const struct session *session, const struct subscription *in,
              uint64_t offset)
{
    say_count(hub, METRIC_GAPS);
    say_frame(hub, session, gap_frame(hub, in->channel, in->view, offset));
}

void gap_tell_group(struct hub *hub, const struct channel *channel, const struct group *group,
                    uint64_t offset)
{
    struct frame *frame = gap_frame(hub, channel, group->view, offset);
    say_count(hub, METRIC_GAPS);
    roster_publish(group->roster, hub->transport, frame);
    frame_unref(frame);
}
