//! What the whole-system tests share: the conformance corpus, and installations of the real binary. The tests themselves are in `tests/`.

pub mod corpus;
pub mod installation;
pub mod invariants;
pub mod rows;
pub mod services;
pub mod together;
