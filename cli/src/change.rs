//! What commands that change a cluster, and ask before, have in common.

use client::Admin;

use crate::confirm::Confirm;
use crate::error::Result;
use crate::output::{Output, Print};
use crate::profile::Cluster;

/// Their flags.
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
