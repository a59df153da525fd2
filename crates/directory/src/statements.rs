//! The statements by which pages are read, as the services build them: for the benchmark that measures what they read. No part of the service.

use decision::name::{NodeName, UserName};
use sea_orm::{DbBackend, DbErr, QueryTrait, Statement};
use service::{fields::Fields, filter::read_position};

use crate::{
    store::{self, member::MemberFilter, user::UserFilter},
    wire,
};

fn wrong(what: impl std::fmt::Display) -> DbErr {
    DbErr::Custom(what.to_string())
}

/// A page of all users.
pub fn users(backend: DbBackend, filter: &str, order_by: &str, after: Option<&str>, limit: u64) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let query = fields.query(&wire::user::LISTED, filter, order_by);
    let query = fields.finish(Some(query)).map_err(wrong)?;
    Ok(store::user::page_of(&UserFilter { query, ..UserFilter::default() }, after, limit)?.build(backend))
}

/// A page of the members of an organization.
pub fn members(
    backend: DbBackend,
    organization: &str,
    filter: &str,
    order_by: &str,
    after: Option<&str>,
    limit: u64,
) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let organization = fields.organization("parent", organization);
    let query = fields.query(&wire::member::LISTED, filter, order_by);
    let organization = fields.finish(organization).map_err(wrong)?;
    let filter = MemberFilter { organization, suspended: None, query };
    match filter.roster() {
        Some(roster) => roster.statement(backend, after.and_then(read_position), limit),
        None => Ok(store::member::page_of(&filter, after, limit)?.build(backend)),
    }
}

/// A page of a roster that nothing reaches from above.
pub fn roster(backend: DbBackend, node: &str, filter: &str, order_by: &str, after: Option<&str>, limit: u64) -> Result<Statement, DbErr> {
    let mut fields = Fields::default();
    let filter = wire::roster::read_filter(&mut fields, node, filter, order_by);
    let filter = fields.finish(filter).map_err(wrong)?;
    filter.roster(Vec::new()).statement(backend, after.and_then(read_position), limit)
}

/// What is then read of the users of a page of an organization's roster: users, members and bindings.
pub fn people(backend: DbBackend, organization: &str, users: &[String]) -> Result<Vec<Statement>, DbErr> {
    let organization = NodeName::parse(organization).map_err(wrong)?;
    let names = users.iter().map(|name| UserName::parse(name)).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    Ok(vec![
        store::user::query_of(&names).build(backend),
        store::member::query_of(&organization, &names).build(backend),
        store::role_binding::query_of_principals_in(users, &organization).build(backend),
    ])
}
