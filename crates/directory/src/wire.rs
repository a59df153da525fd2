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
