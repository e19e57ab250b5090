//! What commands that change a cluster have in common.

use client::Admin;

use crate::confirm::Confirm;
use crate::error::Result;
use crate::output::{Output, Print};
use crate::profile::Cluster;

/// Flags of every command that asks before it changes a cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(crate) confirm: Confirm,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    pub(crate) print: Print,
}

impl Change {
    /// Actions on the cluster; with `--dry-run`, questions only.
    ///
    /// # Errors
    /// As [`Cluster::admin_to_change`].
    pub(crate) fn admin(&self, output: &Output) -> Result<Admin> {
        self.cluster.admin_to_change(output, self.confirm.dry_run)
    }
}

/// Flags of every command that changes a cluster without a question: what it does can be done otherwise the next moment.
#[derive(Debug, clap::Args)]
pub(crate) struct Unasked {
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) cluster: Cluster,
    #[command(flatten)]
    pub(crate) print: Print,
}

impl Unasked {
    /// As [`Change::admin`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn admin(&self, output: &Output) -> Result<Admin> {
        self.cluster.admin_to_change(output, self.dry_run)
    }
}
