//! `filter` and `order_by` of lists: a subset of AIP-160 and AIP-132.
//!
//! ```text
//! filter    = [ condition { "AND" condition } ]
//! condition = field operator value
//! operator  = "=" | "<" | "<=" | ">" | ">="        ("!=", ":", "OR", "NOT" and parentheses are not offered: no index serves them)
//! value     = word | quoted                          (quoted by " or ', in which \ stands before a character that is meant as it is)
//! order_by  = [ field [ "asc" | "desc" ] ]
//! ```
//!
//! `=` compares the whole value; of a field with prefixes, a value that ends with `*` is the beginning of what is looked for, as AIP-160 says of
//! wildcards: `email = "ann*"`. Such fields are compared without regard to case. States and kinds are the names of the enum's values. Times are RFC 3339.
//!
//! Each list says by an [`Offered`] which fields it knows, and which of them can be combined in which order: one [`Way`] for each index. Anything else is
//! INVALID_ARGUMENT, with where it is wrong and what is offered.

use chrono::{DateTime, SubsecRound, Utc};
use decision::name::MalformedName;

use crate::fields::Fields;

/// The longest filter that is read, in characters.
const LONGEST: usize = 2000;

/// What a list can be filtered by and ordered in.
#[derive(Debug)]
pub struct Offered {
    /// The fields.
    pub fields: &'static [Field],
    /// Every combination; the first that serves a filter is the order of a list that is asked for none.
    pub ways: &'static [Way],
}

/// A field of a filter.
#[derive(Debug)]
pub struct Field {
    /// `create_time`.
    pub name: &'static str,
    /// How it is compared.
    pub kind: Kind,
}

/// How a field is compared.
#[derive(Debug)]
pub enum Kind {
    /// Text, whole or by its beginning, without regard to case.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A resource name.
    Name(fn(&str) -> Result<(), MalformedName>),
    /// A moment, earlier or later than which.
    Time,
}

/// What one index serves.
#[derive(Debug)]
pub struct Way {
    /// The field that it orders by.
    pub order: &'static str,
    /// The fields that must all be given with it, each compared by `=`.
    pub by: &'static [&'static str],
    /// Whether the field that it orders by can be in the filter too.
    pub bounded: bool,
}

/// What was asked for; one of the list's ways serves it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    conditions: Vec<Condition>,
    /// The field that the list is ordered by; then by name.
    pub order: &'static str,
    /// From the greatest to the least.
    pub descending: bool,
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The field.
    pub field: &'static str,
    /// What is asked of it.
    pub test: Test,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is this; of text, in lower case.
    Is(String),
    /// It begins with this, in lower case.
    StartsWith(String),
    /// It is before or after, or at, this moment.
    Time(Comparison, DateTime<Utc>),
}

/// An order of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Query {
    /// What a field shall be, if `=` says so.
    pub fn is(&self, field: &str) -> Option<&str> {
        self.conditions.iter().find(|condition| condition.field == field).and_then(|condition| match &condition.test {
            Test::Is(value) => Some(value.as_str()),
            Test::StartsWith(_) | Test::Time(..) => None,
        })
    }

    /// Everything that is asked, by field.
    pub fn tests(&self) -> impl Iterator<Item = (&'static str, &Test)> {
        self.conditions.iter().map(|condition| (condition.field, &condition.test))
    }

    /// What is asked of the field that the list is ordered by.
    pub fn bounds(&self) -> impl Iterator<Item = &Test> {
        self.conditions.iter().filter(|condition| condition.field == self.order).map(|condition| &condition.test)
    }

    /// Whether it is served with deleted rows too: of everything, in the order of names.
    fn is_plain(&self) -> bool {
        self.conditions.is_empty() && self.order == "name"
    }
}

/// Where a list in the order of something else than names goes on: after the row with this value and name.
pub fn position(value: &str, name: &str) -> String {
    format!("{value}\n{name}")
}

/// Reads what [`position`] wrote. Names have no line ends.
pub fn read_position(position: &str) -> Option<(&str, &str)> {
    position.rsplit_once('\n')
}

impl Fields {
    /// Reads `filter` and `order_by`.
    pub fn query(&mut self, offered: &Offered, filter: &str, order_by: &str) -> Query {
        let conditions = match read(offered, filter) {
            Ok(conditions) => conditions,
            Err(wrong) => {
                self.wrong("filter", wrong);
                return Query::default();
            }
        };
        let (order, descending) = match read_order(offered, order_by) {
            Ok(read) => read,
            Err(wrong) => {
                self.wrong("order_by", wrong);
                return Query::default();
            }
        };
        match offered.ways.iter().find(|way| order.is_none_or(|order| order == way.order) && way.serves(&conditions)) {
            Some(way) => Query { conditions, order: way.order, descending },
            None => {
                let path = if conditions.is_empty() { "order_by" } else { "filter" };
                self.wrong(path, format!("not offered in this combination; offered are {}", offered.combinations()));
                Query::default()
            }
        }
    }
}

impl Fields {
    /// The same for a list that may show deleted things too, which only the plain list does.
    pub fn query_with_deleted(&mut self, offered: &Offered, filter: &str, order_by: &str, show_deleted: bool) -> Query {
        let query = self.query(offered, filter, order_by);
        if show_deleted && !query.is_plain() && query != Query::default() {
            self.wrong("show_deleted", "only without `filter`, and in the order of `name`");
        }
        query
    }
}

impl Way {
    fn serves(&self, conditions: &[Condition]) -> bool {
        let given = |field: &&str| conditions.iter().any(|condition| condition.field == *field);
        self.by.iter().all(given)
            && conditions.iter().all(|condition| self.by.contains(&condition.field) || (self.bounded && condition.field == self.order))
    }
}

impl Offered {
    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    fn names(&self) -> String {
        listed(self.fields.iter().map(|field| field.name))
    }

    fn orders(&self) -> String {
        let mut orders: Vec<&str> = Vec::new();
        for way in self.ways {
            if !orders.contains(&way.order) {
                orders.push(way.order);
            }
        }
        listed(orders.into_iter())
    }

    fn combinations(&self) -> String {
        let of = |way: &Way| {
            let mut fields = way.by.to_vec();
            if way.bounded {
                fields.push(way.order);
            }
            let by = if fields.is_empty() { "no filter".to_owned() } else { listed(fields.into_iter()) };
            format!("{by} in the order of `{}`", way.order)
        };
        self.ways.iter().map(of).collect::<Vec<_>>().join("; ")
    }
}

fn listed(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn read_order(offered: &Offered, text: &str) -> Result<(Option<&'static str>, bool), String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (field, descending) = match words.as_slice() {
        [] => return Ok((None, false)),
        [field] | [field, "asc"] => (*field, false),
        [field, "desc"] => (*field, true),
        _ => return Err(format!("one field, then `desc` or nothing; the fields are {}", offered.orders())),
    };
    match offered.ways.iter().find(|way| way.order == field) {
        Some(way) => Ok((Some(way.order), descending)),
        None => Err(format!("not ordered by `{field}`; the fields are {}", offered.orders())),
    }
}

fn read(offered: &Offered, text: &str) -> Result<Vec<Condition>, String> {
    if text.chars().count() > LONGEST {
        return Err(format!("at most {LONGEST} characters"));
    }
    let mut reader = Reader { text: text.chars().collect(), at: 0 };
    let mut conditions: Vec<Condition> = Vec::new();
    reader.skip_spaces();
    while !reader.is_at_end() {
        if !conditions.is_empty() {
            let at = reader.at;
            if reader.word() != "AND" {
                return Err(wrong(at, "expected `AND`, which is the only operator between conditions that is offered"));
            }
            reader.skip_spaces();
        }
        let condition = reader.condition(offered)?;
        let twice = conditions.iter().any(|other| other.field == condition.0.field && !matches!(condition.0.test, Test::Time(..)));
        if twice {
            return Err(wrong(condition.1, &format!("`{}` is given twice", condition.0.field)));
        }
        conditions.push(condition.0);
        reader.skip_spaces();
    }
    Ok(conditions)
}

/// Positions are told as people count, in characters.
fn wrong(at: usize, what: &str) -> String {
    format!("at character {}: {what}", at + 1)
}

struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, accept: impl Fn(char) -> bool) -> String {
        let from = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        self.text[from..self.at].iter().collect()
    }

    fn word(&mut self) -> String {
        self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
    }

    /// A condition, and where it begins.
    fn condition(&mut self, offered: &Offered) -> Result<(Condition, usize), String> {
        let begin = self.at;
        let name = self.word();
        let Some(field) = offered.field(&name) else {
            let what = if name.is_empty() { "expected a field".to_owned() } else { format!("there is no field `{name}`") };
            let names = offered.names();
            let known = if names.is_empty() { "this list has none".to_owned() } else { format!("the fields are {names}") };
            return Err(wrong(begin, &format!("{what}; {known}")));
        };
        self.skip_spaces();
        let operator_at = self.at;
        let operator = self.take(|c| "=!<>:".contains(c));
        self.skip_spaces();
        let value_at = self.at;
        let (value, is_prefix) = self.value()?;
        let test = field.kind.test(&operator, value, is_prefix).map_err(|what| match what {
            Unfit::Operator(offered) => {
                let given = if operator.is_empty() { "expected an operator".to_owned() } else { format!("`{operator}` is not offered") };
                wrong(operator_at, &format!("{given} for `{name}`; {offered}"))
            }
            Unfit::Value(expected) => wrong(value_at, &format!("`{name}` is compared with {expected}")),
        })?;
        Ok((Condition { field: field.name, test }, begin))
    }

    /// A value, and whether it ends with the wildcard.
    fn value(&mut self) -> Result<(String, bool), String> {
        let begin = self.at;
        let quote = self.peek().filter(|c| matches!(c, '"' | '\''));
        if quote.is_some() {
            self.at += 1;
        }
        let (mut value, mut last_is_wildcard) = (String::new(), false);
        loop {
            let next = self.peek();
            match (next, quote) {
                (Some(c), Some(quote)) if c == quote => {
                    self.at += 1;
                    break;
                }
                (None, Some(_)) => return Err(wrong(begin, "the quote is not closed")),
                (None, None) => break,
                (Some(c), None) if c.is_whitespace() => break,
                (Some('(' | ')' | '"' | '\''), None) => return Err(wrong(self.at, "put values with such characters into quotes")),
                (Some('\\'), Some(_)) => {
                    self.at += 1;
                    let Some(meant) = self.peek() else { return Err(wrong(begin, "the quote is not closed")) };
                    value.push(meant);
                    last_is_wildcard = false;
                    self.at += 1;
                }
                (Some(c), _) => {
                    value.push(c);
                    last_is_wildcard = c == '*';
                    self.at += 1;
                }
            }
        }
        if value.is_empty() && quote.is_none() {
            return Err(wrong(begin, "expected a value"));
        }
        if last_is_wildcard {
            value.pop();
        }
        Ok((value, last_is_wildcard))
    }
}

enum Unfit {
    /// What is offered instead.
    Operator(&'static str),
    /// What is expected.
    Value(String),
}

impl Kind {
    fn test(&self, operator: &str, value: String, is_prefix: bool) -> Result<Test, Unfit> {
        const EQUAL: &str = "offered is `=`";
        match self {
            Self::Text if operator == "=" && is_prefix => Ok(Test::StartsWith(value.to_lowercase())),
            Self::Text if operator == "=" => Ok(Test::Is(value.to_lowercase())),
            Self::Text => Err(Unfit::Operator("offered is `=`, with a `*` at the end of the value for its beginning")),
            Self::Word(words) if operator == "=" => match words.contains(&value.as_str()) && !is_prefix {
                true => Ok(Test::Is(value)),
                false => Err(Unfit::Value(format!("one of {}", listed(words.iter().copied())))),
            },
            Self::Name(parse) if operator == "=" => match parse(&value) {
                Ok(()) if !is_prefix => Ok(Test::Is(value)),
                Ok(()) => Err(Unfit::Value("a whole name".to_owned())),
                Err(malformed) => Err(Unfit::Value(format!("a name: {malformed}"))),
            },
            Self::Word(_) | Self::Name(_) => Err(Unfit::Operator(EQUAL)),
            Self::Time => {
                let comparison = match operator {
                    "<" => Comparison::Less,
                    "<=" => Comparison::AtMost,
                    ">" => Comparison::Greater,
                    ">=" => Comparison::AtLeast,
                    _ => return Err(Unfit::Operator("offered are `<`, `<=`, `>` and `>=`")),
                };
                let time = DateTime::parse_from_rfc3339(&value).ok().filter(|_| !is_prefix);
                let time = time.ok_or_else(|| Unfit::Value("a time as in `\"2026-01-31T12:00:00Z\"` (RFC 3339)".to_owned()))?;
                Ok(Test::Time(comparison, time.with_timezone(&Utc).trunc_subsecs(6)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    const LIST: Offered = Offered {
        fields: &[
            Field { name: "email", kind: Kind::Text },
            Field { name: "state", kind: Kind::Word(&["STATE_ACTIVE", "STATE_SUSPENDED"]) },
            Field { name: "node", kind: Kind::Name(|name| decision::name::NodeName::parse(name).map(drop)) },
            Field { name: "create_time", kind: Kind::Time },
        ],
        ways: &[
            Way { order: "name", by: &[], bounded: false },
            Way { order: "name", by: &["state"], bounded: false },
            Way { order: "name", by: &["node", "state"], bounded: false },
            Way { order: "email", by: &[], bounded: true },
            Way { order: "create_time", by: &[], bounded: true },
        ],
    };

    fn query(filter: &str, order_by: &str) -> Result<Query, String> {
        let mut fields = Fields::default();
        let query = fields.query(&LIST, filter, order_by);
        fields.finish(Some(query)).map_err(|status| {
            let details = status.get_error_details();
            let violation = &details.bad_request().unwrap().field_violations[0];
            format!("{}: {}", violation.field, violation.description)
        })
    }

    fn tests(filter: &str) -> Vec<Test> {
        query(filter, "").unwrap().conditions.into_iter().map(|condition| condition.test).collect()
    }

    #[test]
    fn nothing_asked_for_is_the_first_way() {
        assert_eq!(query("", "").unwrap(), Query { conditions: Vec::new(), order: "name", descending: false });
        assert_eq!(query("  ", " name  desc ").unwrap(), Query { conditions: Vec::new(), order: "name", descending: true });
    }

    #[test]
    fn the_order_follows_the_filter_unless_it_is_given() {
        assert_eq!(query("email=ann*", "").unwrap().order, "email");
        assert_eq!(query("state = STATE_ACTIVE", "").unwrap().order, "name");
        assert_eq!(query("state = STATE_ACTIVE AND node = organizations/acme", "").unwrap().is("node"), Some("organizations/acme"));
        assert_eq!(query("", "create_time desc").unwrap(), Query { conditions: Vec::new(), order: "create_time", descending: true });
    }

    #[test]
    fn a_trailing_asterisk_is_a_beginning_and_an_escaped_one_is_itself() {
        assert_eq!(tests("email = \"Ann*\""), [Test::StartsWith("ann".into())]);
        assert_eq!(tests("email = 'ann@example.com'"), [Test::Is("ann@example.com".into())]);
        assert_eq!(tests(r#"email="an\*""#), [Test::Is("an*".into())]);
        assert_eq!(tests(r#"email="a\"b \\*""#), [Test::StartsWith("a\"b \\".into())]);
        assert_eq!(tests("email = \"*\""), [Test::StartsWith(String::new())]);
        assert_eq!(tests("email = \"\""), [Test::Is(String::new())]);
    }

    #[test]
    fn times_bound_from_both_sides() {
        let time = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc);
        assert_eq!(
            tests("create_time >= \"2026-01-31T12:00:00Z\" AND create_time<2026-02-01T00:00:00+01:00"),
            [Test::Time(Comparison::AtLeast, time("2026-01-31T12:00:00Z")), Test::Time(Comparison::Less, time("2026-01-31T23:00:00Z"))]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place_and_what_is_offered() {
        for (filter, expected) in [
            ("mail = x", "filter: at character 1: there is no field `mail`; the fields are `email`, `state`, `node`, `create_time`"),
            ("state = STATE_ACTIVE OR email = x", "filter: at character 22: expected `AND`"),
            ("email != x", "filter: at character 7: `!=` is not offered for `email`; offered is `=`"),
            ("email : x", "filter: at character 7: `:` is not offered"),
            ("email x", "filter: at character 7: expected an operator for `email`"),
            ("email =", "filter: at character 8: expected a value"),
            ("email = \"x", "filter: at character 9: the quote is not closed"),
            ("email = \"x\\", "filter: at character 9: the quote is not closed"),
            ("(email = x)", "filter: at character 1: expected a field"),
            ("email = x)", "filter: at character 10: put values"),
            ("NOT email = x", "filter: at character 1: there is no field `NOT`"),
            ("state = ACTIVE", "filter: at character 9: `state` is compared with one of `STATE_ACTIVE`, `STATE_SUSPENDED`"),
            ("state = STATE*", "filter: at character 9: `state` is compared with one of"),
            ("node = nowhere", "filter: at character 8: `node` is compared with a name"),
            ("create_time > yesterday", "filter: at character 15: `create_time` is compared with a time"),
            ("create_time = 2026-01-31T12:00:00Z", "filter: at character 13: `=` is not offered for `create_time`; offered are"),
            ("email = a AND email = b", "filter: at character 15: `email` is given twice"),
            ("email = a AND", "filter: at character 14: expected a field"),
            ("email = a state = STATE_ACTIVE", "filter: at character 11: expected `AND`"),
            (
                "email = a AND state = STATE_ACTIVE",
                "filter: not offered in this combination; offered are no filter in the order of `name`;",
            ),
            ("node = organizations/acme", "filter: not offered in this combination"),
        ] {
            let said = query(filter, "").unwrap_err();
            assert!(said.starts_with(expected), "{filter}: {said}");
        }
        assert!(query(&"x".repeat(2001), "").unwrap_err().starts_with("filter: at most 2000"));
        for (order_by, expected) in [
            ("size", "order_by: not ordered by `size`; the fields are `name`, `email`, `create_time`"),
            ("name, email", "order_by: one field, then `desc` or nothing"),
            ("name down", "order_by: one field, then `desc` or nothing"),
        ] {
            let said = query("", order_by).unwrap_err();
            assert!(said.starts_with(expected), "{order_by}: {said}");
        }
        assert!(query("state = STATE_ACTIVE", "email").unwrap_err().starts_with("filter: not offered in this combination"));
    }

    #[test]
    fn a_position_reads_back_whatever_the_value() {
        assert_eq!(read_position(&position("two\nlines", "users/ann")), Some(("two\nlines", "users/ann")));
        assert_eq!(read_position("users/ann"), None);
    }
}
