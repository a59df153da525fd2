//! How the role model's messages are written as JSON or YAML: as the document that authors write, nothing else.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Fields that are left out are not written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A protobuf value as JSON. Whole numbers come out as integers: conditions tell them apart.
pub fn to_json(value: &prost_types::Value) -> serde_json::Value {
    use prost_types::value::Kind;
    match &value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(flag)) => (*flag).into(),
        Some(Kind::StringValue(text)) => text.clone().into(),
        // 2^53 bounds what a double holds exactly.
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => (*number as i64).into(),
        Some(Kind::NumberValue(number)) => serde_json::Number::from_f64(*number).map_or(serde_json::Value::Null, Into::into),
        Some(Kind::ListValue(list)) => list.values.iter().map(to_json).collect(),
        Some(Kind::StructValue(fields)) => fields.fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect(),
    }
}

/// JSON as a protobuf value.
pub fn from_json(value: &serde_json::Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(flag) => Kind::BoolValue(*flag),
        serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Kind::StringValue(text.clone()),
        serde_json::Value::Array(values) => Kind::ListValue(prost_types::ListValue { values: values.iter().map(from_json).collect() }),
        serde_json::Value::Object(fields) => {
            Kind::StructValue(prost_types::Struct { fields: fields.iter().map(|(name, value)| (name.clone(), from_json(value))).collect() })
        }
    };
    prost_types::Value { kind: Some(kind) }
}

pub(crate) mod optional_value {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Option<prost_types::Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(to_json).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<prost_types::Value>, D::Error> {
        let value = Option::<serde_json::Value>::deserialize(deserializer)?;
        Ok(value.as_ref().map(from_json))
    }
}

pub(crate) mod values {
    use std::collections::BTreeMap;

    use super::*;

    pub(crate) fn serialize<S: Serializer>(values: &BTreeMap<String, prost_types::Value>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(values.iter().map(|(name, value)| (name, to_json(value))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, prost_types::Value>, D::Error> {
        let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        Ok(values.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
    }
}
