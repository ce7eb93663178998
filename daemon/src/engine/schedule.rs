//! Whose turn it is: round robin over whoever is ready. Each lane stands in the ring at most once, so a session at 60
//! frames a second and nine at 5 all get their turn. Pure.

use std::collections::VecDeque;

/// Ready lanes, the next one first.
#[derive(Debug)]
pub struct Schedule<L> {
    ring: VecDeque<L>,
}

impl<L> Default for Schedule<L> {
    fn default() -> Self {
        Schedule { ring: VecDeque::new() }
    }
}

impl<L> Schedule<L> {
    /// Puts a lane behind all others. The caller sees to it that a lane is not in the ring already: a session says so
    /// once when it gets its first waiting frame, and again only after its frame was delivered.
    pub fn push(&mut self, lane: L) {
        self.ring.push_back(lane);
    }

    /// Takes the lane whose turn it is.
    pub fn pop(&mut self) -> Option<L> {
        self.ring.pop_front()
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

    /// Runs `turns` turns: a served lane with frames left goes to the back.
    fn serve(backlog: &mut [usize], turns: usize) -> Vec<usize> {
        let mut schedule = Schedule::default();
        (0..backlog.len()).filter(|&lane| backlog[lane] > 0).for_each(|lane| schedule.push(lane));
        let mut served = vec![0; backlog.len()];
        for _ in 0..turns {
            let Some(lane) = schedule.pop() else { break };
            served[lane] += 1;
            backlog[lane] -= 1;
            if backlog[lane] > 0 {
                schedule.push(lane);
            }
        }
        served
    }

    proptest! {
        #[test]
        fn nobody_with_a_backlog_is_more_than_one_turn_behind(
            mut backlog in proptest::collection::vec(0_usize..50, 1..20),
            turns in 0_usize..400,
        ) {
            let served = serve(&mut backlog, turns);
            let most = served.iter().max().copied().unwrap_or(0);
            for (lane, &left) in backlog.iter().enumerate() {
                prop_assert!(left == 0 || served[lane] + 1 >= most);
            }
        }
    }
}
