//! Many calls at the same moment.

use std::{collections::BTreeMap, sync::Arc};

use tokio::{sync::Barrier, task::JoinSet};
use tonic::{Code, Status};

use crate::services::reason;

/// Makes so many calls at the same moment; what each came to, in the order of their numbers.
pub async fn all_at_once<T, F, Fut>(calls: usize, call: F) -> Vec<Result<T, Status>>
where
    T: Send + 'static,
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<T, Status>> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(calls));
    let mut callers = JoinSet::new();
    for at in 0..calls {
        let (barrier, call) = (barrier.clone(), call(at));
        callers.spawn(async move {
            barrier.wait().await;
            (at, call.await)
        });
    }
    let mut outcomes: Vec<_> = callers.join_all().await;
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// What they came to, counted: `OK`, a reason, or `DEADLINE_EXCEEDED`.
pub fn counted<T>(outcomes: &[Result<T, Status>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for outcome in outcomes {
        let word = match outcome {
            Ok(_) => "OK".to_owned(),
            Err(status) if status.code() == Code::DeadlineExceeded => "DEADLINE_EXCEEDED".to_owned(),
            Err(status) => reason(status),
        };
        *counts.entry(word).or_default() += 1;
    }
    counts
}
