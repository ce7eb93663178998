//! Whose turn it is: round robin over whoever is ready. Each lane stands in the ring at most once, so a session at 60
//! frames a second and nine at 5 all get their turn. Pure.
//!
//! Lanes that can run as one batch with the next one ride along, from wherever they stand in the ring, but never twice
//! before a lane that they pass has had its turn: the ring is served in rounds, and who passes others belongs to the
//! same round as who it rides with.

use std::collections::VecDeque;

/// Ready lanes, the next one first.
#[derive(Debug)]
pub struct Schedule<L> {
    ring: VecDeque<Ready<L>>,
    /// The round of the lanes that were taken last; it never falls.
    round: u64,
}

#[derive(Debug)]
struct Ready<L> {
    lane: L,
    round: u64,
}

impl<L> Default for Schedule<L> {
    fn default() -> Self {
        Schedule { ring: VecDeque::new(), round: 0 }
    }
}

impl<L> Schedule<L> {
    /// Puts a lane behind all others. The caller sees to it that a lane is not in the ring already: a session says so
    /// once when it gets its first waiting frame, and again only after its frame was delivered.
    pub fn push(&mut self, lane: L) {
        self.ring.push_back(Ready { lane, round: self.round + 1 });
    }

    /// Takes the lane whose turn it is.
    pub fn pop(&mut self) -> Option<L> {
        let next = self.ring.pop_front()?;
        self.round = next.round;
        Some(next.lane)
    }

    /// The lane whose turn it is.
    pub fn peek(&self) -> Option<&L> {
        self.ring.front().map(|next| &next.lane)
    }

    /// Takes the lane whose turn it is, and behind it, in the ring's order, those that are the same by `is_same`: at most
    /// `most` in all.
    pub fn pop_same(&mut self, most: usize, is_same: impl Fn(&L, &L) -> bool) -> Vec<L> {
        let Some(first) = self.pop() else { return Vec::new() };
        let mut taken = vec![first];
        if most <= 1 {
            return taken;
        }
        let round = self.round;
        let mut passed = VecDeque::with_capacity(self.ring.len());
        while let Some(next) = self.ring.pop_front() {
            let may_ride = passed.is_empty() || next.round == round;
            if taken.len() < most && may_ride && taken.first().is_some_and(|first| is_same(first, &next.lane)) {
                // Nobody of an earlier round is left behind it: who is served now belongs to the round after.
                self.round = self.round.max(next.round);
                taken.push(next.lane);
            } else {
                passed.push_back(next);
            }
        }
        self.ring = passed;
        taken
    }

    /// Lanes that are ready.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether no lane is ready.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs `turns` turns, each of at most `most` lanes with the same remainder by `pipelines`: a served lane with frames
    /// left goes to the back.
    fn serve(backlog: &mut [usize], turns: usize, pipelines: usize, most: usize) -> Vec<usize> {
        let mut schedule = Schedule::default();
        (0..backlog.len()).filter(|&lane| backlog[lane] > 0).for_each(|lane| schedule.push(lane));
        let mut served = vec![0; backlog.len()];
        for _ in 0..turns {
            let together = schedule.pop_same(most, |a, b| a % pipelines == b % pipelines);
            assert!(together.len() <= most && together.iter().all(|lane| lane % pipelines == together[0] % pipelines));
            for lane in together {
                served[lane] += 1;
                backlog[lane] -= 1;
                if backlog[lane] > 0 {
                    schedule.push(lane);
                }
            }
        }
        served
    }

    proptest! {
        #[test]
        fn nobody_with_a_backlog_is_more_than_one_turn_behind(
            mut backlog in proptest::collection::vec(0_usize..50, 1..20),
            turns in 0_usize..400,
            pipelines in 1_usize..5,
            most in 1_usize..10,
        ) {
            let served = serve(&mut backlog, turns, pipelines, most);
            let most = served.iter().max().copied().unwrap_or(0);
            for (lane, &left) in backlog.iter().enumerate() {
                prop_assert!(left == 0 || served[lane] + 1 >= most);
            }
        }
    }

    /// A ring of these lanes, of which the first letter is the pipeline.
    fn ring(lanes: &[&'static str]) -> Schedule<&'static str> {
        let mut schedule = Schedule::default();
        lanes.iter().for_each(|&lane| schedule.push(lane));
        schedule
    }

    fn same(a: &&str, b: &&str) -> bool {
        a.as_bytes()[0] == b.as_bytes()[0]
    }

    #[test]
    fn a_batch_is_who_waits_for_the_same_in_order() {
        let mut schedule = ring(&["p1", "q1", "p2", "p3", "q2", "p4"]);
        assert_eq!(schedule.pop_same(3, same), ["p1", "p2", "p3"]);
        assert_eq!(schedule.pop_same(8, same), ["q1", "q2"]);
        assert_eq!(schedule.pop_same(8, same), ["p4"]);
        assert_eq!((schedule.pop_same(8, same).len(), schedule.is_empty()), (0, true));
    }

    #[test]
    fn who_was_served_does_not_pass_others_again() {
        let mut schedule = ring(&["p1", "p2", "p3", "q1"]);
        for lane in schedule.pop_same(2, same) {
            schedule.push(lane);
        }
        assert_eq!(schedule.pop_same(2, same), ["p3"], "p1 would pass q1 a second time");
        assert_eq!(schedule.pop(), Some("q1"));
        assert_eq!(schedule.pop_same(2, same), ["p1", "p2"]);
    }

    #[test]
    fn a_batch_of_one_pipeline_is_filled_from_the_next_round() {
        let mut schedule = ring(&["p1", "p2", "p3"]);
        for lane in schedule.pop_same(2, same) {
            schedule.push(lane);
        }
        assert_eq!(schedule.pop_same(2, same), ["p3", "p1"]);
    }
}
