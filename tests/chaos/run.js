// SPDX-License-Identifier: PostgreSQL
// The chaos run: writers, publishers, chatters and followers go on while everything around the server fails, one fault after
// the other; then all is quiet for a moment, and what everybody got is compared with what committed.
//
//   CHAOS_SECONDS   180: how long; every fault is made at least once, however short it is
//   CHAOS_SEED      repeats the random choices (not the timing)
//   CHAOS_FAULTS    only faults whose names contain this
//   CHAOS_SPARE     and none whose names contain one of these, separated by |; a run in which the server lives through all
//                   its rounds (make soak) also checks that it and its database do not grow
//   CHAOS_PAUSE     1.5: at most so many seconds between two faults
//   CHAOS_MUTATION  a lie to install, which must be found (mutations.js)
//   CHAOS_WRITERS 6, CHAOS_DISK_MB 1024
//
// A round is every fault once, in a random order, and the comparison. Afterwards what was compared is forgotten, so the
// run can last for hours.
import { mutation } from './mutations.js';
import { Run, conduct } from './course.js';

await conduct(new Run(), `chaos${mutation ? ` with the mutation ${mutation}` : ''}`);
