/* SPDX-License-Identifier: PostgreSQL */
#include "bus/beat.h"

#include <string.h>

#include "bus/version.h"
#include "core/nodes/parcel.h"

enum { ID_SIZE = ID_TEXT_SIZE - 1 };

void beat_write(const struct beat *beat, struct buf *out)
{
    parcel_put_u8(out, beat->bus.is_leader);
    parcel_put_str(out, beat->bus.epoch);
    parcel_put_u64(out, beat->bus.log_id);
    parcel_put_u64(out, beat->bus.presence_seq);
    parcel_put_u64(out, beat->bus.presence_digest);
    parcel_put_str(out, beat->name);
    parcel_put_str(out, beat->heard);
    parcel_put_u8(out, beat->newest);
}

/* What a later version says behind that is not for this one. */
bool beat_read(struct str body, struct beat *out)
{
    struct parcel parcel = parcel_of(body);
    struct beat beat;
    beat.bus.is_leader = parcel_u8(&parcel) == 1;
    beat.bus.epoch = parcel_str(&parcel);
    beat.bus.log_id = parcel_u64(&parcel);
    beat.bus.presence_seq = parcel_u64(&parcel);
    beat.bus.presence_digest = parcel_u64(&parcel);
    beat.name = parcel_str(&parcel);
    beat.heard = parcel_str(&parcel);
    beat.newest = parcel.rest.len > 0 ? parcel_u8(&parcel) : VERSION_FIRST;
    if (parcel.is_bad || !beat.name.ptr || beat.heard.len % ID_SIZE != 0) {
        return false;
    }
    *out = beat;
    return true;
}

bool beat_names(const struct beat *beat, const char *id)
{
    for (size_t at = 0; at < beat->heard.len; at += ID_SIZE) {
        if (memcmp(beat->heard.ptr + at, id, ID_SIZE) == 0) {
            return true;
        }
    }
    return false;
}
