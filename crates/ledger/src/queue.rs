//! Who writes to a tree next, within this process: first come, first served.
//!
//! The database's row locks alone would do for correctness; but a hundred writers on one tree would then hold a hundred
//! connections, and lock timeouts would choose among them at random.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Mutex as FairMutex, OwnedMutexGuard};

type Lanes = Mutex<HashMap<String, Arc<FairMutex<()>>>>;

#[derive(Clone, Default)]
pub(crate) struct TreeQueues {
    lanes: Arc<Lanes>,
}

/// The turn on some trees; ends when dropped.
pub(crate) struct Turn {
    trees: Vec<(String, Option<OwnedMutexGuard<()>>)>,
    lanes: Arc<Lanes>,
    /// Somebody else was before us: what we knew of the trees is probably outdated.
    pub(crate) waited: bool,
}

impl TreeQueues {
    /// Waits for all of the trees, in order of their names, so that two of these never wait for each other.
    pub(crate) async fn turn(&self, trees: &BTreeSet<String>) -> Turn {
        let mut turn = Turn { trees: Vec::with_capacity(trees.len()), lanes: self.lanes.clone(), waited: false };
        for tree in trees {
            let lane = {
                let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
                lanes.entry(tree.clone()).or_default().clone()
            };
            // Known to the turn before it is waited for, so that the lane is tidied up also if waiting is given up.
            turn.trees.push((tree.clone(), None));
            let guard = match lane.clone().try_lock_owned() {
                Ok(guard) => guard,
                Err(_) => {
                    turn.waited = true;
                    lane.lock_owned().await
                }
            };
            if let Some(last) = turn.trees.last_mut() {
                last.1 = Some(guard);
            }
        }
        turn
    }
}

impl Turn {
    pub(crate) fn is_on(&self, trees: &BTreeSet<String>) -> bool {
        self.trees.iter().map(|(tree, _)| tree).eq(trees.iter())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        for (tree, guard) in self.trees.drain(..) {
            drop(guard);
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            // Held by the map alone: nobody has it or waits for it, and nobody can get it while the map is locked.
            if lanes.get(&tree).is_some_and(|lane| Arc::strong_count(lane) == 1) {
                lanes.remove(&tree);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_lane_is_forgotten_when_nobody_wants_it_any_more() {
        let queues = TreeQueues::default();
        let first = queues.turn(&trees(&["a", "b"])).await;
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(5), queues.turn(&trees(&["a"]))).await;
        assert!(given_up.is_err());
        assert_eq!(queues.lanes.lock().unwrap().len(), 2);
        drop(first);
        assert_eq!(queues.lanes.lock().unwrap().len(), 0);
    }

    #[tokio::test]
    async fn those_who_wait_get_their_turn_in_the_order_they_came() {
        let queues = TreeQueues::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = queues.turn(&trees(&["a"])).await;
        let mut waiting = Vec::new();
        for number in 0..20 {
            let (queues, order) = (queues.clone(), order.clone());
            waiting.push(tokio::spawn(async move {
                let turn = queues.turn(&trees(&["a"])).await;
                assert!(turn.waited);
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
        assert_eq!(queues.lanes.lock().unwrap().len(), 0);
    }
}
