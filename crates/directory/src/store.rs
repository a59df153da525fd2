//! What the directory keeps: tables and queries. The only place that knows sea-orm.

pub(crate) mod account;
pub(crate) mod entity;
pub(crate) mod group;
pub(crate) mod holders;
pub(crate) mod identity;
pub(crate) mod inspection;
pub(crate) mod invitation;
pub(crate) mod listing;
pub(crate) mod member;
pub(crate) mod migration;
pub(crate) mod move_consent;
pub(crate) mod moves;
pub(crate) mod node;
pub(crate) mod organization;
pub(crate) mod participation;
pub(crate) mod partnership;
pub(crate) mod purge;
mod read;
pub(crate) mod resource;
pub(crate) mod retired;
pub(crate) mod role_binding;
mod statement;
pub(crate) mod user;
pub(crate) mod workspace;
