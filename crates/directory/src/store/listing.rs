//! A page of a list in the order asked for: after a position, by the columns of an index.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, ColumnType, Condition as Where, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value,
    sea_query::{Expr, SimpleExpr},
};
use service::filter::{Comparison, Query, Test, read_position};

use crate::store::read::unreadable;

/// What sorts after everything that begins with a text.
const LAST: char = char::MAX;

/// The next so many of some rows after a position. `keys`: the columns of the fields that are compared as they are; what else is filtered by, the
/// rows are already.
pub(crate) fn page<E: EntityTrait>(
    rows: Select<E>,
    query: &Query,
    name: E::Column,
    keys: &[(&str, E::Column)],
    after: Option<&str>,
    limit: u64,
) -> Result<Select<E>, DbErr> {
    let column = |field: &str| keys.iter().find(|(known, _)| *known == field).map(|(_, column)| *column);
    let mut wanted = Where::all();
    for (field, test) in query.tests() {
        if let Some(column) = column(field) {
            wanted = wanted.add(compared(column, test));
        }
    }
    let order = column(query.order);
    if let Some(after) = after {
        wanted = wanted.add(match order {
            None => beyond(Expr::col(name), Expr::value(after), query.descending),
            Some(order) => {
                let (key, last) = read_position(after).ok_or_else(|| unreadable("a position"))?;
                // Without a value of an order the row is not in it; with one, the pair is compared as the index compares it.
                let pair = Expr::tuple([Expr::col(order), Expr::col(name)]);
                beyond(pair, Expr::tuple([Expr::value(key_of(order, key)?), Expr::value(last)]), query.descending)
            }
        });
    }
    let rows = rows.filter(wanted);
    let rows = match (order, query.descending) {
        (None, false) => rows.order_by_asc(name),
        (None, true) => rows.order_by_desc(name),
        (Some(order), false) => rows.order_by_asc(order).order_by_asc(name),
        (Some(order), true) => rows.order_by_desc(order).order_by_desc(name),
    };
    Ok(rows.limit(limit))
}

fn beyond(left: SimpleExpr, right: SimpleExpr, descending: bool) -> SimpleExpr {
    if descending { left.lt(right) } else { left.gt(right) }
}

fn compared<C: ColumnTrait>(column: C, test: &Test) -> SimpleExpr {
    match test {
        Test::Is(value) => column.eq(value.as_str()),
        Test::StartsWith(prefix) => column.gte(prefix.as_str()).and(column.lt(format!("{prefix}{LAST}"))),
        Test::Time(Comparison::Less, time) => column.lt(*time),
        Test::Time(Comparison::AtMost, time) => column.lte(*time),
        Test::Time(Comparison::Greater, time) => column.gt(*time),
        Test::Time(Comparison::AtLeast, time) => column.gte(*time),
    }
}

fn key_of<C: ColumnTrait>(column: C, text: &str) -> Result<Value, DbErr> {
    match column.def().get_column_type() {
        ColumnType::TimestampWithTimeZone => {
            let time = DateTime::parse_from_rfc3339(text).map_err(|_| unreadable("a position"))?;
            Ok(time.with_timezone(&Utc).into())
        }
        _ => Ok(text.into()),
    }
}

/// A moment in a position.
pub(crate) fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339()
}
