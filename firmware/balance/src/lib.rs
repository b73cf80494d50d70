//! Which real server gets the next request.
//!
//! [`pick`] looks at a list of servers and at [`Turns`], what the caller keeps between two picks. Nothing here
//! is shared: each worker of the proxy has its own turns, so a pick costs no lock, and the sum of workers that
//! each share out evenly is even. Servers that are up come first; those that nobody has probed yet stand in
//! only while none is up, so that a unit that has just booted serves at once.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

/// Whether a server may be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Gets work.
    Up,
    /// Gets work only while none is up.
    Unknown,
    /// Gets none.
    Out,
}

/// One server, as far as picking goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Tells it from the others.
    pub id: u32,
    /// Its share, from 1; counts under [`Scheduler::Weighted`].
    pub weight: u16,
    /// Whether it may be picked.
    pub standing: Standing,
}

/// How the next one is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Each in turn.
    RoundRobin,
    /// In proportion to the weights, as evenly spread as it goes: with 5, 1, 1 the heavy one does not get five
    /// in a row (the smooth method that nginx introduced).
    Weighted,
}

/// What is kept between two picks of one service by one worker.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// The list that `credit` belongs to, by a number its owner gives it.
    edition: u64,
    /// Where the next round-robin search begins.
    next: usize,
    /// Weighted: id, and what the server is still owed.
    credit: Vec<(u32, i64)>,
}

impl Turns {
    /// Begins at the server with this index, so that several workers do not all begin with the first.
    #[must_use]
    pub fn starting_at(index: usize) -> Self {
        Self { next: index, ..Self::default() }
    }

    /// Brings `credit` in line with a new list; servers that stay keep what they are owed.
    fn follow(&mut self, edition: u64, servers: &[Candidate]) {
        if self.edition == edition && self.credit.len() == servers.len() {
            return;
        }
        let before = std::mem::take(&mut self.credit);
        let owed = |id| before.iter().find(|(known, _)| *known == id).map_or(0, |(_, owed)| *owed);
        self.credit = servers.iter().map(|server| (server.id, owed(server.id))).collect();
        self.edition = edition;
    }
}

/// Index of the server that gets the next request; `None` when none may. `edition` changes whenever `servers`
/// does. Those in `tried` are left out.
pub fn pick(
    turns: &mut Turns,
    scheduler: Scheduler,
    edition: u64,
    servers: &[Candidate],
    tried: &[u32],
) -> Option<usize> {
    let of = |standing| {
        servers
            .iter()
            .any(|server| server.standing == standing && !tried.contains(&server.id))
            .then_some(standing)
    };
    let standing = of(Standing::Up).or_else(|| of(Standing::Unknown))?;
    let eligible = |server: &Candidate| server.standing == standing && !tried.contains(&server.id);
    match scheduler {
        Scheduler::RoundRobin => in_turn(turns, servers, eligible),
        Scheduler::Weighted => {
            turns.follow(edition, servers);
            weighted(turns, servers, eligible)
        }
    }
}

fn in_turn(turns: &mut Turns, servers: &[Candidate], eligible: impl Fn(&Candidate) -> bool) -> Option<usize> {
    let start = turns.next.checked_rem(servers.len())?;
    let (before, after) = servers.split_at_checked(start)?;
    let found = after
        .iter()
        .position(&eligible)
        .map(|index| start + index)
        .or_else(|| before.iter().position(&eligible))?;
    turns.next = found + 1;
    Some(found)
}

/// Every eligible server earns its weight; the one that is owed most gets the request and pays for all.
fn weighted(
    turns: &mut Turns,
    servers: &[Candidate],
    eligible: impl Fn(&Candidate) -> bool,
) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, i64)> = None;
    for (index, (server, (_, owed))) in servers.iter().zip(&mut turns.credit).enumerate() {
        if !eligible(server) {
            continue;
        }
        let weight = i64::from(server.weight.max(1));
        total += weight;
        *owed += weight;
        if best.is_none_or(|(_, most)| *owed > most) {
            best = Some((index, *owed));
        }
    }
    let (index, _) = best?;
    if let Some((_, owed)) = turns.credit.get_mut(index) {
        *owed -= total;
    }
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server(id: u32, weight: u16, standing: Standing) -> Candidate {
        Candidate { id, weight, standing }
    }

    fn run(turns: &mut Turns, scheduler: Scheduler, servers: &[Candidate], picks: usize) -> Vec<usize> {
        (0..picks).map(|_| pick(turns, scheduler, 1, servers, &[]).unwrap()).collect()
    }

    #[test]
    fn each_gets_its_turn() {
        let servers = [1, 2, 3].map(|id| server(id, 7, Standing::Up));
        let mut turns = Turns::starting_at(1);
        assert_eq!(run(&mut turns, Scheduler::RoundRobin, &servers, 7), [1, 2, 0, 1, 2, 0, 1]);
    }

    #[test]
    fn weights_are_spread_evenly_in_time() {
        let servers = [server(1, 5, Standing::Up), server(2, 1, Standing::Up), server(3, 1, Standing::Up)];
        let picked = run(&mut Turns::default(), Scheduler::Weighted, &servers, 7);
        assert_eq!(picked, [0, 0, 1, 0, 2, 0, 0], "nginx's example");
    }

    #[test]
    fn servers_that_are_out_get_nothing() {
        let servers =
            [server(1, 1, Standing::Out), server(2, 1, Standing::Up), server(3, 9, Standing::Unknown)];
        for scheduler in [Scheduler::RoundRobin, Scheduler::Weighted] {
            assert_eq!(run(&mut Turns::default(), scheduler, &servers, 3), [1, 1, 1]);
        }
    }

    #[test]
    fn unknown_servers_stand_in_while_none_is_up() {
        let servers =
            [server(1, 1, Standing::Unknown), server(2, 1, Standing::Out), server(3, 1, Standing::Unknown)];
        for scheduler in [Scheduler::RoundRobin, Scheduler::Weighted] {
            assert_eq!(run(&mut Turns::default(), scheduler, &servers, 4), [0, 2, 0, 2]);
        }
    }

    #[test]
    fn a_server_is_not_tried_twice_and_an_unknown_one_follows_the_last_that_is_up() {
        let servers = [server(1, 1, Standing::Up), server(2, 1, Standing::Unknown)];
        let mut turns = Turns::default();
        assert_eq!(pick(&mut turns, Scheduler::RoundRobin, 1, &servers, &[1]), Some(1));
        assert_eq!(pick(&mut turns, Scheduler::Weighted, 1, &servers, &[1]), Some(1));
        assert_eq!(pick(&mut turns, Scheduler::RoundRobin, 1, &servers, &[1, 2]), None);
    }

    #[test]
    fn without_servers_there_is_none() {
        assert_eq!(pick(&mut Turns::default(), Scheduler::RoundRobin, 1, &[], &[]), None);
        assert_eq!(pick(&mut Turns::default(), Scheduler::Weighted, 1, &[], &[]), None);
    }

    #[test]
    fn a_server_that_stays_keeps_its_credit_when_the_list_changes() {
        let mut turns = Turns::default();
        let two = [server(1, 3, Standing::Up), server(2, 1, Standing::Up)];
        pick(&mut turns, Scheduler::Weighted, 1, &two, &[]);
        assert_eq!(turns.credit, [(1, -1), (2, 1)]);
        let three = [server(9, 1, Standing::Out), two[1], two[0]];
        pick(&mut turns, Scheduler::Weighted, 2, &three, &[]);
        assert_eq!(turns.credit.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [9, 2, 1]);
        assert_eq!(turns.credit.iter().map(|(_, owed)| owed).sum::<i64>(), 0);
    }

    proptest! {
        /// Over one whole cycle everybody gets exactly its weight, however the weights are.
        #[test]
        fn a_cycle_gives_each_its_weight(weights in proptest::collection::vec(1u16..200, 1..8)) {
            let servers: Vec<_> = (0u32..).zip(&weights).map(|(id, weight)| server(id, *weight, Standing::Up)).collect();
            let cycle = weights.iter().map(|weight| usize::from(*weight)).sum();
            let mut counts = vec![0; weights.len()];
            for index in run(&mut Turns::default(), Scheduler::Weighted, &servers, cycle) {
                counts[index] += 1;
            }
            prop_assert_eq!(counts, weights);
        }

        /// Whatever changes between two picks, the one picked may be picked.
        #[test]
        fn a_pick_is_always_eligible(lists in proptest::collection::vec(proptest::collection::vec((0u32..5, 1u16..9, 0u8..3), 0..6), 1..20), weighted: bool) {
            let scheduler = if weighted { Scheduler::Weighted } else { Scheduler::RoundRobin };
            let mut turns = Turns::default();
            for (edition, list) in lists.iter().enumerate() {
                let servers: Vec<_> = list.iter().map(|&(id, weight, standing)| server(id, weight, [Standing::Up, Standing::Unknown, Standing::Out][usize::from(standing)])).collect();
                let any = servers.iter().any(|server| server.standing != Standing::Out);
                let picked = pick(&mut turns, scheduler, edition as u64, &servers, &[]);
                prop_assert_eq!(picked.is_some(), any);
                prop_assert!(picked.is_none_or(|index| servers[index].standing != Standing::Out));
            }
        }
    }
}
