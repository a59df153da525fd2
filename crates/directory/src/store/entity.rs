//! The tables as sea-orm sees them; see `migration` for the indexes.
#![expect(unreachable_pub, reason = "sea-orm's derives add public items, and want those that they are derived for to be public")]

pub mod account;
pub mod columns;
pub mod group_member;
pub mod identity;
pub mod invitation;
pub mod issuer;
pub mod member;
pub mod move_consent;
pub mod node_purge;
pub mod organization;
pub mod partnership;
pub mod resource;
pub mod retired_name;
pub mod role_binding;
pub mod user;
pub mod user_group;
pub mod workspace;
