//! Secrets that every process of an installation shares.

use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::{error::Error, open::Ledger};

impl Ledger {
    /// The installation's secret of this name: 32 random bytes, made when it is first asked for, the same ever after in every process on
    /// this store.
    pub async fn secret(&self, name: &str) -> Result<[u8; 32], Error> {
        let (writer, backend) = (&self.inner.writer, self.inner.backend);
        let made: [u8; 32] = rand::random();
        let insert = "INSERT INTO installation_secret(name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        writer.execute_raw(Statement::from_sql_and_values(backend, insert, [name.into(), made.to_vec().into()])).await?;
        let select = "SELECT value FROM installation_secret WHERE name = $1";
        let row = writer.query_one_raw(Statement::from_sql_and_values(backend, select, [name.into()])).await?;
        let value: Vec<u8> = match row {
            Some(row) => row.try_get("", "value")?,
            None => Vec::new(),
        };
        value.try_into().map_err(|_| DbErr::Type("a secret of the installation is not 32 bytes long".to_owned()).into())
    }
}
