//! The statements by which pages are read, as the services build them: for the benchmark that measures what they read. No part of the service.

use sea_orm::{DbBackend, DbErr, QueryTrait, Statement};
use service::{fields::Fields, filter::read_position};

use crate::{store, wire};

fn wrong(what: impl std::fmt::Display) -> DbErr {
    DbErr::Custom(what.to_string())
}

/// Which part of a list, in which order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Part<'p> {
    /// As in the contracts.
    pub filter: &'p str,
    /// As in the contracts.
    pub order_by: &'p str,
    /// The position that it goes on after.
    pub after: Option<&'p str>,
    /// At most so many rows.
    pub limit: u64,
}

/// A page of all users.
pub fn users(backend: DbBackend, part: Part<'_>) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let filter = wire::user::read_filter(&mut fields, part.filter, part.order_by, false);
    let filter = fields.finish(Some(filter)).map_err(wrong)?;
    Ok(store::user::page_of(&filter, part.after, part.limit)?.build(backend))
}

/// A page of the members of an organization.
pub fn members(backend: DbBackend, organization: &str, part: Part<'_>) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let organization = fields.organization("parent", organization);
    let filter = wire::member::read_filter(&mut fields, organization, part.filter, part.order_by);
    let filter = fields.finish(filter).map_err(wrong)?;
    Ok(store::member::page_of(&filter, part.after, part.limit)?.build(backend))
}

/// A page of the role bindings of an organization.
pub fn role_bindings(backend: DbBackend, organization: &str, part: Part<'_>) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let organization = fields.organization("parent", organization);
    let filter = wire::role_binding::read_filter(&mut fields, organization, part.filter, part.order_by);
    let filter = fields.finish(filter).map_err(wrong)?;
    Ok(store::role_binding::page_of(&filter, part.after, part.limit)?.build(backend))
}

/// A page of a roster that nothing reaches from above. It is all that is read of users: what they hold authz has in memory.
pub fn roster(backend: DbBackend, node: &str, part: Part<'_>) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let filter = wire::roster::read_filter(&mut fields, node, part.filter, part.order_by);
    let filter = fields.finish(filter).map_err(wrong)?;
    filter.roster(Vec::new()).statement(backend, part.after.and_then(read_position), part.limit)
}
