//! The tables as sea-orm sees them; see `migration` for the indexes.

pub(crate) mod custom_role;
pub(crate) mod role_model;
pub(crate) mod role_model_revision;
