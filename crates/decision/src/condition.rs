//! Named conditions: CEL, compiled once and judged on the resource that is asked about.
//!
//! An expression sees `resource.<attribute>`, `params.<parameter>` and `principal.id`, never the time. CEL has no cost limit of its
//! own (a 900-character nested comprehension was seen to run for 0.6 s), so length, nesting and comprehensions are capped when a
//! condition is compiled.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, OnceLock},
};

use cel::{
    Context, Env, ExecutionError, IdedExpr, Program,
    common::ast::{EntryExpr, Expr, LiteralValue},
    objects::{Key, Map},
    parser::{ParseErrors, Parser},
};

use crate::{
    document::{self, ConditionUse, ValueType},
    record::Value,
};

/// Most characters of an expression.
pub const MOST_CHARACTERS: usize = 1000;
/// Deepest nesting of brackets and ternaries in the text of an expression.
///
/// cel's parser takes 96, at some 150 KiB of stack each in a debug build: a 60-character text would end the process.
pub const DEEPEST_BRACKETS: u16 = 8;
/// Deepest nesting of an expression once it is read.
pub const DEEPEST: usize = 32;
/// Most comprehensions (`all`, `exists`, `map`, …) of an expression; none inside another.
pub const MOST_COMPREHENSIONS: usize = 2;

/// The functions and operators that an expression may call; all are of the standard library and take time linear in their arguments.
const FUNCTIONS: [&str; 24] = [
    "_&&_",
    "_||_",
    "!_",
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "-_",
    "_?_:_",
    "@in",
    "_[_]",
    "@not_strictly_false",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "string",
];

/// A condition, compiled.
#[derive(Debug)]
pub struct Condition {
    id: String,
    program: Program,
    attributes: Vec<(String, Option<Value>)>,
    parameters: BTreeMap<String, ValueType>,
}

/// What judging a condition came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// These attributes are neither stored, given nor defaulted; it was not evaluated.
    Missing(BTreeSet<String>),
    /// It could not be evaluated. Holds no value of an attribute.
    Error(String),
}

impl Condition {
    /// Compiles a condition.
    ///
    /// # Errors
    ///
    /// What is wrong with it, a sentence each: longer, deeper or more comprehensions than allowed, not CEL, or a reference to what
    /// it does not declare.
    pub fn compile(source: &document::Condition) -> Result<Self, Vec<String>> {
        let length = source.expression.chars().count();
        if length > MOST_CHARACTERS {
            return Err(vec![format!("the expression has {length} characters; at most {MOST_CHARACTERS} are allowed")]);
        }
        if let Err(errors) = Parser::new().max_recursion_depth(DEEPEST_BRACKETS).parse(&source.expression) {
            return Err(vec![not_cel(&errors, &source.expression)]);
        }
        let program = Program::compile(&source.expression).map_err(|errors| vec![not_cel(&errors, &source.expression)])?;
        let mut findings = Vec::new();
        let mut attributes = Vec::new();
        for attribute in &source.attributes {
            let default = match &attribute.default {
                None => None,
                Some(json) => match read_json(json) {
                    Some(value) => Some(value),
                    None => {
                        findings.push(format!("the default of `{}` is no text, bool, integer or list of text", attribute.id));
                        None
                    }
                },
            };
            attributes.push((attribute.id.clone(), default));
        }
        let parameters = source.parameters.iter().map(|parameter| (parameter.id.clone(), parameter.value_type)).collect();
        let mut walk = Walk { source, findings, comprehensions: 0 };
        walk.expression(program.expression(), 1, &mut Vec::new());
        if let Some(what) = walk.not_bool(&program.expression().expr) {
            walk.findings.push(format!("the expression is {what}, which is neither true nor false; compare it with something"));
        }
        if walk.comprehensions > MOST_COMPREHENSIONS {
            walk.findings
                .push(format!("the expression has {} comprehensions; at most {MOST_COMPREHENSIONS} are allowed", walk.comprehensions));
        }
        if !walk.findings.is_empty() {
            walk.findings.dedup();
            return Err(walk.findings);
        }
        Ok(Self { id: source.id.clone(), program, attributes, parameters })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The attributes that it reads.
    pub fn attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(id, _)| id.as_str())
    }

    /// Whether the parameters given are all of its parameters and nothing else, each of its type.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn check_parameters(&self, given: &BTreeMap<String, serde_json::Value>) -> Result<(), String> {
        self.read_parameters(given).map(drop)
    }

    fn read_parameters(&self, given: &BTreeMap<String, serde_json::Value>) -> Result<Vec<(&str, Value)>, String> {
        if let Some(id) = given.keys().find(|id| !self.parameters.contains_key(*id)) {
            return Err(format!("parameter `{id}` is not declared"));
        }
        let mut values = Vec::with_capacity(self.parameters.len());
        for (id, value_type) in &self.parameters {
            match given.get(id).map(|json| read_typed(json, *value_type)) {
                None => return Err(format!("parameter `{id}` is not given")),
                Some(None) => return Err(format!("parameter `{id}` must be of type {}", type_word(*value_type))),
                Some(Some(value)) => values.push((id.as_str(), value)),
            }
        }
        Ok(values)
    }

    /// Judges it (Reading 14). `attribute` answers with what is stored or given; `principal` is the user's id.
    pub fn judge<'a>(&self, used: &ConditionUse, attribute: impl Fn(&str) -> Option<&'a Value>, principal: &str) -> Verdict {
        let mut missing = BTreeSet::new();
        let mut resource: HashMap<Key, cel::Value> = HashMap::with_capacity(self.attributes.len());
        for (id, default) in &self.attributes {
            match attribute(id).or(default.as_ref()) {
                Some(value) => {
                    resource.insert(id.as_str().into(), cel_value(value));
                }
                None => {
                    missing.insert(id.clone());
                }
            }
        }
        if !missing.is_empty() {
            return Verdict::Missing(missing);
        }
        let params = match self.read_parameters(&used.params) {
            Ok(values) => values.iter().map(|(id, value)| (Key::from(*id), cel_value(value))).collect::<HashMap<_, _>>(),
            Err(message) => return Verdict::Error(message),
        };
        let principal = HashMap::from([(Key::from("id"), cel::Value::from(principal))]);
        let mut context = Context::with_env(Arc::clone(standard()));
        context.add_variable_from_value("resource", cel_map(resource));
        context.add_variable_from_value("params", cel_map(params));
        context.add_variable_from_value("principal", cel_map(principal));
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => Verdict::True,
            Ok(cel::Value::Bool(false)) => Verdict::False,
            Ok(_) => Verdict::Error("the result is no bool".to_owned()),
            Err(error) => Verdict::Error(describe(&error).to_owned()),
        }
    }
}

/// The type as role models spell it.
pub fn type_word(value_type: ValueType) -> &'static str {
    match value_type {
        ValueType::String => "string",
        ValueType::Bool => "bool",
        ValueType::Int => "int",
        ValueType::StringList => "string_list",
    }
}

/// Whether a value is of a type.
pub fn is_of_type(value: &Value, value_type: ValueType) -> bool {
    matches!(
        (value, value_type),
        (Value::String(_), ValueType::String)
            | (Value::Bool(_), ValueType::Bool)
            | (Value::Int(_), ValueType::Int)
            | (Value::StringList(_), ValueType::StringList)
    )
}

// The standard environment is the same for every evaluation and costs more to build than one takes.
fn standard() -> &'static Arc<Env> {
    static STANDARD: OnceLock<Arc<Env>> = OnceLock::new();
    STANDARD.get_or_init(|| Arc::new(Env::stdlib()))
}

fn cel_map(map: HashMap<Key, cel::Value>) -> cel::Value {
    cel::Value::Map(Map { map: Arc::new(map) })
}

fn cel_value(value: &Value) -> cel::Value {
    match value {
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Int(value) => cel::Value::Int(*value),
        Value::StringList(list) => cel::Value::List(Arc::new(list.iter().map(|text| cel::Value::String(Arc::new(text.clone()))).collect())),
    }
}

fn read_json(json: &serde_json::Value) -> Option<Value> {
    [ValueType::String, ValueType::Bool, ValueType::Int, ValueType::StringList]
        .into_iter()
        .find_map(|value_type| read_typed(json, value_type))
}

fn read_typed(json: &serde_json::Value, value_type: ValueType) -> Option<Value> {
    match value_type {
        ValueType::String => json.as_str().map(|text| Value::String(text.to_owned())),
        ValueType::Bool => json.as_bool().map(Value::Bool),
        ValueType::Int => json.as_i64().map(Value::Int),
        ValueType::StringList => {
            let list = json.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()?;
            Some(Value::StringList(list))
        }
    }
}

// Only the kind of error: cel's own texts quote values.
fn describe(error: &ExecutionError) -> &'static str {
    match error {
        ExecutionError::NoSuchKey(_) => "no such key",
        ExecutionError::UndeclaredReference(_) => "an undeclared name",
        ExecutionError::NoSuchOverload(_) | ExecutionError::ValuesNotComparable(..) | ExecutionError::UnsupportedBinaryOperator(..) => {
            "values of types that do not go together"
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero",
        ExecutionError::Overflow(..) => "a number out of range",
        ExecutionError::IndexOutOfBounds(_) => "an index out of bounds",
        _ => "the expression failed",
    }
}

/// What the parser says, for people: its own texts list tokens and speak of its insides.
fn not_cel(errors: &ParseErrors, expression: &str) -> String {
    if errors.errors.iter().any(|error| error.msg.contains("Recursion limit")) {
        return format!("the expression has brackets nested deeper than {DEEPEST_BRACKETS}; write it flatter, or as several conditions");
    }
    if expression.trim().is_empty() {
        return "the expression is empty; write what must hold, for example `resource.live == false`".to_owned();
    }
    let place = errors.errors.iter().map(|error| error.pos).find(|(line, column)| *line > 0 && *column > 0);
    let Some((line, column)) = place else { return "the expression is not CEL; look for a missing operand, quote or bracket".to_owned() };
    let (line, column) = (line.unsigned_abs(), column.unsigned_abs());
    let rest: String = expression.lines().nth(line - 1).unwrap_or_default().chars().skip(column - 1).take(20).collect();
    if rest.trim().is_empty() {
        return format!("the expression is not CEL: it ends too early, at its line {line}, column {column}; complete it");
    }
    format!(
        "the expression is not CEL: at its line {line}, column {column}, `{}` cannot stand there; check it and what is before it",
        rest.trim_end()
    )
}

/// The type for people, if it is another than bool.
fn no_bool(value_type: ValueType) -> Option<&'static str> {
    match value_type {
        ValueType::Bool => None,
        ValueType::String => Some("a string"),
        ValueType::Int => Some("a number"),
        ValueType::StringList => Some("a list"),
    }
}

struct Walk<'a> {
    source: &'a document::Condition,
    findings: Vec<String>,
    comprehensions: usize,
}

impl<'a> Walk<'a> {
    /// `bound` holds the variables of the comprehensions around; empty means that there is none.
    fn expression<'e>(&mut self, ided: &'e IdedExpr, depth: usize, bound: &mut Vec<&'e str>) {
        if depth > DEEPEST {
            self.findings.push(format!("the expression is nested deeper than {DEEPEST}"));
            return;
        }
        let next = depth + 1;
        match &ided.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !bound.contains(&name.as_str()) {
                    self.findings
                        .push(format!("`{name}` cannot be used; say `resource.<attribute>`, `params.<parameter>` or `principal.id`"));
                }
            }
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) if !bound.contains(&name.as_str()) => self.reference(name, &select.field),
                _ => self.expression(&select.operand, next, bound),
            },
            Expr::Call(call) => {
                if !FUNCTIONS.contains(&call.func_name.as_str()) {
                    self.findings.push(format!("function `{}` cannot be used", call.func_name));
                }
                for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                    self.expression(part, next, bound);
                }
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expression(element, next, bound)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key, next, bound);
                    self.expression(&entry.value, next, bound);
                }
                EntryExpr::StructField(field) => self.expression(&field.value, next, bound),
            }),
            Expr::Struct(_) => self.findings.push("messages cannot be built in a condition".to_owned()),
            Expr::Comprehension(comprehension) => {
                self.comprehensions += 1;
                if !bound.is_empty() {
                    self.findings.push("a comprehension stands inside another".to_owned());
                    return;
                }
                self.expression(&comprehension.iter_range, next, bound);
                let names = [Some(&comprehension.iter_var), comprehension.iter_var2.as_ref(), Some(&comprehension.accu_var)];
                for name in names.into_iter().flatten() {
                    if matches!(name.as_str(), "resource" | "params" | "principal") {
                        self.findings.push(format!("`{name}` cannot be the variable of a comprehension"));
                    }
                    bound.push(name);
                }
                for part in [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result] {
                    self.expression(part, next, bound);
                }
                bound.clear();
            }
        }
    }

    /// What an expression is that is surely no bool. What depends on values passes, and is judged when it is evaluated.
    fn not_bool(&self, expression: &Expr) -> Option<&'static str> {
        match expression {
            Expr::Literal(LiteralValue::Boolean(_)) => None,
            Expr::Literal(LiteralValue::String(_)) => Some("a string"),
            Expr::Literal(LiteralValue::Null) => Some("null"),
            Expr::Literal(LiteralValue::Bytes(_)) => Some("bytes"),
            Expr::Literal(LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_)) => Some("a number"),
            Expr::List(_) => Some("a list"),
            Expr::Map(_) => Some("a map"),
            Expr::Select(select) if !select.test => match &select.operand.expr {
                Expr::Ident(root) if root == "params" => {
                    let parameter = self.source.parameters.iter().find(|parameter| parameter.id == select.field)?;
                    no_bool(parameter.value_type)
                }
                Expr::Ident(root) if root == "principal" => Some("a string"),
                Expr::Ident(root) if root == "resource" => {
                    let attribute = self.source.attributes.iter().find(|attribute| attribute.id == select.field)?;
                    let default = read_json(attribute.default.as_ref()?)?;
                    [ValueType::String, ValueType::Int, ValueType::StringList]
                        .into_iter()
                        .find(|value_type| is_of_type(&default, *value_type))
                        .and_then(no_bool)
                }
                _ => None,
            },
            Expr::Call(call) => match call.func_name.as_str() {
                "_+_" | "_-_" | "_*_" | "_/_" | "_%_" | "-_" => Some("a calculation"),
                "size" => Some("a number"),
                "string" => Some("a string"),
                // Either branch may be taken; both sides of `&&` and `||` must be bool too.
                "_?_:_" => call.args.iter().skip(1).find_map(|branch| self.not_bool(&branch.expr)),
                "_&&_" | "_||_" | "!_" => call.args.iter().find_map(|side| self.not_bool(&side.expr)),
                _ => None,
            },
            // `map` and `filter` make lists, `exists_one` compares its count, the others begin with a bool.
            Expr::Comprehension(comprehension) => match (&comprehension.result.expr, &comprehension.accu_init.expr) {
                (Expr::Ident(_), accumulated) => self.not_bool(accumulated),
                _ => None,
            },
            Expr::Unspecified | Expr::Ident(_) | Expr::Select(_) | Expr::Struct(_) => None,
        }
    }

    fn reference(&mut self, root: &str, field: &str) {
        let declared = match root {
            "resource" => self.source.attributes.iter().any(|attribute| attribute.id == field),
            "params" => self.source.parameters.iter().any(|parameter| parameter.id == field),
            "principal" => field == "id",
            _ => false,
        };
        if !declared {
            self.findings.push(format!("`{root}.{field}` is not declared by the condition"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ConditionAttribute, Parameter};

    fn condition(expression: &str) -> document::Condition {
        document::Condition {
            id: "c".to_owned(),
            expression: expression.to_owned(),
            attributes: vec![
                ConditionAttribute { id: "live".to_owned(), default: None },
                ConditionAttribute { id: "budget".to_owned(), default: Some(serde_json::json!(5)) },
                ConditionAttribute { id: "tags".to_owned(), default: Some(serde_json::json!(["a"])) },
            ],
            parameters: vec![Parameter { id: "most".to_owned(), value_type: ValueType::Int }],
            ..Default::default()
        }
    }

    fn judge(expression: &str, live: Option<bool>, most: serde_json::Value) -> Verdict {
        let live = live.map(Value::Bool);
        let used = ConditionUse { id: "c".to_owned(), params: BTreeMap::from([("most".to_owned(), most)]) };
        let compiled = Condition::compile(&condition(expression)).unwrap();
        compiled.judge(&used, |id| if id == "live" { live.as_ref() } else { None }, "ann")
    }

    #[test]
    fn a_condition_sees_attributes_parameters_and_the_principal() {
        let expression =
            "!resource.live && resource.budget + 1 <= params.most && principal.id == 'ann' && resource.tags.exists(t, t == 'a')";
        assert_eq!(judge(expression, Some(false), 6.into()), Verdict::True);
        assert_eq!(judge(expression, Some(true), 6.into()), Verdict::False);
        assert_eq!(judge("'a' in resource.tags && size(resource.tags) == 1", Some(true), 6.into()), Verdict::True);
    }

    #[test]
    fn a_missing_attribute_stops_the_evaluation_even_where_it_would_not_matter() {
        assert_eq!(judge("true || resource.live", None, 6.into()), Verdict::Missing(BTreeSet::from(["live".to_owned()])));
        assert_eq!(judge("true", None, "six".into()), Verdict::Missing(BTreeSet::from(["live".to_owned()])));
    }

    #[test]
    fn errors_are_kinds_without_values() {
        assert_eq!(judge("resource.budget / 0 == 1", Some(true), 6.into()), Verdict::Error("division by zero".to_owned()));
        assert_eq!(judge("resource.live", None, 6.into()), Verdict::Missing(BTreeSet::from(["live".to_owned()])));
        assert_eq!(judge("resource.tags[0]", Some(true), 6.into()), Verdict::Error("the result is no bool".to_owned()));
        assert!(matches!(judge("resource.budget < params.most", Some(true), "six".into()), Verdict::Error(_)));
        assert!(matches!(judge("resource.budget < 'a'", Some(true), 6.into()), Verdict::Error(_)));
    }

    #[test]
    fn what_is_surely_no_bool_does_not_compile() {
        for expression in [
            "1",
            "'a'",
            "null",
            "1.5",
            "[true]",
            "{'a': true}",
            "resource.budget + 1",
            "-resource.budget",
            "size(resource.tags)",
            "resource.budget",
            "resource.tags",
            "params.most",
            "principal.id",
            "resource.live && 1",
            "resource.live ? 'a' : 'b'",
            "resource.tags.map(t, t)",
        ] {
            let found = Condition::compile(&condition(expression)).unwrap_err();
            assert!(found.iter().any(|finding| finding.contains("neither true nor false")), "{expression}: {found:?}");
        }
        for expression in
            ["true", "resource.live", "'a' in resource.tags", "resource.tags.exists(t, t == 'a')", "resource.live ? false : true"]
        {
            assert!(Condition::compile(&condition(expression)).is_ok(), "{expression}");
        }
    }

    #[test]
    fn what_is_not_cel_is_told_in_plain_words_with_its_place() {
        let found = |expression: &str| Condition::compile(&condition(expression)).unwrap_err().join("; ");
        assert!(found("resource.live &&").contains("it ends too early, at its line 1, column 17"), "{}", found("resource.live &&"));
        assert!(found("resource.live ==\n  == true").contains("line 2, column 3, `== true`"), "{}", found("resource.live ==\n  == true"));
        assert!(found("((((((((((((true))))))))))))").starts_with("the expression has brackets nested deeper than 8"));
        assert!(found(" ").starts_with("the expression is empty"));
        for expression in ["resource.live &&", "a b", "((((((((((((true))))))))))))", "'", "1 +* 2", "@", ")"] {
            let found = found(expression);
            for inside in ["ERROR", "expecting", "OtherError", "ParseError", "Recursion", "\n"] {
                assert!(!found.contains(inside), "{expression}: {found}");
            }
        }
    }

    #[test]
    fn what_costs_too_much_or_refers_to_what_is_not_declared_does_not_compile() {
        for expression in [
            "resource.other",
            "resource",
            "resource['live']",
            "params.other == 1",
            "principal.email == 'x'",
            "now > 1",
            "timestamp('2020-01-01T00:00:00Z') < 3",
            "fly(1)",
            "resource.live &&",
            "resource.tags.exists(resource, resource == 'a')",
            "resource.tags.all(a, resource.tags.all(b, a == b))",
            "resource.tags.all(a, a == 'a') && resource.tags.all(a, a == 'a') && resource.tags.all(a, a == 'a')",
        ] {
            assert!(Condition::compile(&condition(expression)).is_err(), "{expression}");
        }
        assert!(Condition::compile(&condition(&format!("resource.live || '{}' == ''", "x".repeat(1000)))).is_err());
    }

    #[test]
    fn nesting_as_deep_as_a_text_can_be_is_refused_and_does_not_overflow_the_stack() {
        let nested = |open: &str, inner: &str, close: &str, levels: usize| {
            Condition::compile(&condition(&format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))))
        };
        for (open, inner, close) in [
            ("(", "true", ")"),
            ("!(", "true", ")"),
            ("[", "true", "]"),
            ("(1 + ", "1", ")"),
            ("true ? true : ", "true", ""),
            ("-", "1", ""),
        ] {
            let most = 1000 / (open.len() + close.len()) - 5;
            for levels in [most, most / 2, 100, 60, 40, 33] {
                let result = nested(open, inner, close, levels);
                assert!(result.is_err() || open == "-", "{levels} of {open}");
            }
        }
        assert!(nested("!(", "resource.live", ")", 6).is_ok());
        let chain = |operator: &str, operands: usize| Condition::compile(&condition(&vec!["resource.live"; operands].join(operator)));
        assert!(chain(" && ", 20).is_ok());
        for operator in [" && ", " || ", " + ", " == "] {
            assert!(chain(operator, 58).is_err() || operator == " && " || operator == " || ", "{operator}");
        }
    }
}
