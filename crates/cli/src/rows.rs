//! Rows of imports and exports as text: NDJSON, each line one object as protobuf's JSON mapping has it, and CSV files of one kind.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use api::directory::v1::ImportRow;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};

use crate::Failure;

/// What kinds of rows there are: how a file of one is called, and its field.
const KINDS: [(&str, &str); 8] = [
    ("organizations", "organization"),
    ("workspaces", "workspace"),
    ("accounts", "account"),
    ("users", "user"),
    ("members", "member"),
    ("role_bindings", "role_binding"),
    ("groups", "group"),
    ("group_members", "group_member"),
];

/// A line of a file, or a record of one, numbered as the lines are.
pub(crate) struct Line {
    pub(crate) number: u64,
    /// Where it ends, in bytes from the beginning.
    pub(crate) end: u64,
    /// Or why it cannot be read.
    pub(crate) row: Result<ImportRow, String>,
}

/// How rows are written as text.
#[derive(Clone)]
pub(crate) struct Format {
    row: MessageDescriptor,
}

impl Format {
    pub(crate) fn new() -> Result<Self, Failure> {
        let pool = DescriptorPool::decode(api::FILE_DESCRIPTOR_SET).map_err(Failure::software)?;
        let row = pool.get_message_by_name("tenantry.directory.v1.ImportRow").ok_or_else(|| Failure::software("rows have no contract"))?;
        Ok(Self { row })
    }

    pub(crate) fn write(&self, row: &ImportRow) -> Result<String, Failure> {
        let mut message = DynamicMessage::new(self.row.clone());
        message.transcode_from(row).map_err(Failure::software)?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let mut text = Vec::new();
        message.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options).map_err(Failure::software)?;
        String::from_utf8(text).map_err(Failure::software)
    }

    fn read(&self, number: u64, value: Value) -> Result<ImportRow, String> {
        let message = DynamicMessage::deserialize(self.row.clone(), value).map_err(|error| error.to_string())?;
        let row: ImportRow = message.transcode_to().map_err(|error| error.to_string())?;
        Ok(ImportRow { number, ..row })
    }

    /// The lines of a file: NDJSON, or CSV if it is called so. A CSV file is of one kind, which its name says if `kind` does not.
    pub(crate) fn lines(&self, path: &Path, kind: Option<&str>) -> Result<Box<dyn Iterator<Item = Result<Line, Failure>> + Send>, Failure> {
        let unreadable = |error: std::io::Error| Failure::usage(format!("cannot read `{}`: {error}", path.display()));
        let file = BufReader::new(File::open(path).map_err(unreadable)?);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
            return self.records(file, kind_of(path, kind)?);
        }
        if kind.is_some() {
            return Err(Failure::usage("`--kind` is for CSV files; in NDJSON each line says what it is: {\"user\": {…}}"));
        }
        Ok(Box::new(Lines { format: self.clone(), file, number: 0, end: 0 }))
    }

    fn records(
        &self,
        file: BufReader<File>,
        kind: &'static str,
    ) -> Result<Box<dyn Iterator<Item = Result<Line, Failure>> + Send>, Failure> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let columns = reader.headers().map_err(Failure::usage)?.clone();
        let format = self.clone();
        let mut record = csv::StringRecord::new();
        Ok(Box::new(std::iter::from_fn(move || {
            match reader.read_record(&mut record) {
                Ok(false) => return None,
                Ok(true) => {}
                // What comes after a torn record cannot be told apart.
                Err(error) => return Some(Err(Failure::usage(error))),
            }
            let number = record.position().map(csv::Position::line).unwrap_or_default();
            let row = object(&columns, &record).and_then(|fields| {
                let row = [(kind.to_owned(), Value::Object(fields))];
                format.read(number, Value::Object(row.into_iter().collect()))
            });
            Some(Ok(Line { number, end: reader.position().byte(), row }))
        })))
    }
}

fn kind_of(path: &Path, kind: Option<&str>) -> Result<&'static str, Failure> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let wanted = kind.unwrap_or(stem);
    let found = KINDS.iter().find(|(files, row)| *files == wanted || *row == wanted);
    found.map(|(_, row)| *row).ok_or_else(|| {
        let kinds: Vec<_> = KINDS.iter().map(|(files, _)| format!("`{files}`")).collect();
        Failure::usage(format!("what is in `{}`? call it `users.csv`, or give `--kind`: one of {}", path.display(), kinds.join(", ")))
    })
}

/// The fields of a record: each cell is text, empty ones are left out. A component map is `campaigns=view;billing=edit`, a condition is JSON.
fn object(columns: &csv::StringRecord, record: &csv::StringRecord) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (column, cell) in columns.iter().zip(record) {
        let value = match column {
            _ if cell.is_empty() => continue,
            "components" => {
                let level = |pair: &str| pair.split_once('=').map(|(component, level)| (component.trim().to_owned(), level.trim().into()));
                let levels: Option<Map<String, Value>> = cell.split(';').filter(|pair| !pair.trim().is_empty()).map(level).collect();
                let levels = levels.ok_or_else(|| "`components` is written as `campaigns=view;billing=edit`".to_owned())?;
                Value::Object([("levels".to_owned(), Value::Object(levels))].into_iter().collect())
            }
            "condition" => serde_json::from_str(cell).map_err(|error| format!("`condition` is not JSON: {error}"))?,
            _ => cell.into(),
        };
        fields.insert(column.to_owned(), value);
    }
    Ok(fields)
}

struct Lines {
    format: Format,
    file: BufReader<File>,
    number: u64,
    end: u64,
}

impl Iterator for Lines {
    type Item = Result<Line, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut bytes = Vec::new();
            match self.file.read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(read) => self.end += read as u64,
                Err(error) => return Some(Err(Failure::software(error))),
            }
            self.number += 1;
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let value = serde_json::from_slice(&bytes).map_err(|error| error.to_string());
            let row = value.and_then(|value| self.format.read(self.number, value));
            return Some(Ok(Line { number: self.number, end: self.end, row }));
        }
    }
}

#[cfg(test)]
mod tests {
    use api::directory::v1::import_row::Resource;

    use super::*;

    fn read(name: &str, text: &str) -> Vec<(u64, Result<ImportRow, String>)> {
        let folder = std::env::temp_dir().join(format!("tenantry-rows-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        let lines = Format::new().unwrap().lines(&path, None).unwrap().map(Result::unwrap).map(|line| (line.number, line.row)).collect();
        std::fs::remove_dir_all(&folder).unwrap();
        lines
    }

    #[test]
    fn each_line_is_a_row_or_says_what_is_wrong_with_it() {
        let text = r#"{"user": {"name": "users/ann", "email": "ann@example.com", "kind": "KIND_SERVICE_ACCOUNT"}}

{"member": {"name": "organizations/acme/members/ann"}}
{"user": {"nmae": "users/bob"}}
not json
"#;
        let rows = read("rows.ndjson", text);
        assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3, 4, 5]);
        let first = rows[0].1.as_ref().unwrap();
        assert!(matches!(&first.resource, Some(Resource::User(user)) if user.kind == 2 && user.email == "ann@example.com"));
        assert!(rows[2].1.as_ref().unwrap_err().contains("nmae") && rows[3].1.is_err());
        let text = Format::new().unwrap().write(&ImportRow { number: 0, ..first.clone() }).unwrap();
        assert_eq!(text, r#"{"user":{"name":"users/ann","email":"ann@example.com","kind":"KIND_SERVICE_ACCOUNT"}}"#);
    }

    #[test]
    fn a_csv_file_is_of_the_kind_that_it_is_called_by() {
        let text = "principal,role,node,components,expire_time\n\
            users/ann,roleModels/m/roles/r,organizations/acme,campaigns=view; billing=edit,\n\
            \"users/bob\",roleModels/m/roles/r,organizations/acme,,2030-01-01T00:00:00Z\n\
            users/cid,roleModels/m/roles/r,organizations/acme,campaigns,\n";
        let rows = read("role_bindings.csv", text);
        assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3, 4]);
        let Some(Resource::RoleBinding(ann)) = &rows[0].1.as_ref().unwrap().resource else { panic!() };
        assert_eq!(ann.components.as_ref().unwrap().levels["billing"], "edit");
        let Some(Resource::RoleBinding(bob)) = &rows[1].1.as_ref().unwrap().resource else { panic!() };
        assert!(bob.components.is_none() && bob.expire_time.is_some());
        assert!(rows[2].1.is_err());
    }
}
