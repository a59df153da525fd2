//! Messages to domain values and back: the only place that knows both. Everything is parsed here, all fields of a request at once.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod ceiling;
pub(crate) mod group;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod invariant;
pub(crate) mod invitation;
pub(crate) mod member;
pub(crate) mod moves;
pub(crate) mod organization;
pub(crate) mod partnership;
pub(crate) mod resource;
pub(crate) mod role_binding;
pub(crate) mod roster;
pub(crate) mod user;
pub(crate) mod workspace;

use service::{call::WriteMessage, fields::Fields};

/// How many things can be written by one call.
pub(crate) const MOST_AT_ONCE: usize = 100;

/// Reads the requests of a batch; `read` is given the place of each: `requests[3]`. What is wrong with one leaves it out.
fn read_batch<M: WriteMessage, R>(fields: &mut Fields, requests: &[M], mut read: impl FnMut(&mut Fields, &str, &M) -> Option<R>) -> Vec<R> {
    if requests.is_empty() || requests.len() > MOST_AT_ONCE {
        fields.wrong("requests", format!("1 to {MOST_AT_ONCE}"));
        return Vec::new();
    }
    let mut all = Vec::with_capacity(requests.len());
    for (at, request) in requests.iter().enumerate() {
        let place = format!("requests[{at}]");
        if !request.request_id().is_empty() {
            fields.wrong(format!("{place}.request_id"), "empty; the batch has one for all");
        }
        if request.validate_only() {
            fields.wrong(format!("{place}.validate_only"), "false; the batch says it for all");
        }
        all.extend(read(fields, &place, request));
    }
    all
}

/// Notes where a request of a batch names another parent than the batch.
fn read_parent(fields: &mut Fields, place: &str, parent: &str, batch: &str) {
    if !parent.is_empty() && parent != batch {
        fields.wrong(format!("{place}.parent"), format!("`{batch}` as the batch has it, or empty"));
    }
}

/// Notes what is the same as one before it; `path` says where an item says what it is told apart by.
fn each_once<T, K: PartialEq>(fields: &mut Fields, items: &[T], key: impl Fn(&T) -> K, path: impl Fn(usize) -> String) {
    for (at, item) in items.iter().enumerate() {
        if items.iter().take(at).any(|other| key(other) == key(item)) {
            fields.wrong(path(at), "another one than those before it");
        }
    }
}
