//! `mq config`: the configuration files that come with the executable.

use clap::Subcommand;

use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Print, Report, row};

/// Configuration templates
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a commented configuration file; without a name, list them
    #[command(
        after_help = "Examples:\n  mq config template broker.conf > broker.conf\n  \
                            mq config template 2m-noslave/broker-a.properties"
    )]
    Template {
        /// As listed by `mq config template`
        #[arg(conflicts_with = "format")]
        name: Option<String>,
        #[command(flatten)]
        print: Print,
    },
}

/// A file of `conf-templates`.
struct Template {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

macro_rules! template {
    ($name:literal, $about:literal) => {
        Template {
            name: $name,
            about: $about,
            text: include_str!(concat!("../../../conf-templates/", $name)),
        }
    };
}

const TEMPLATES: [Template; 4] = [
    template!("broker.conf", "one broker on its own"),
    template!(
        "2m-noslave/broker-a.properties",
        "two masters without slaves: the first"
    ),
    template!(
        "2m-noslave/broker-b.properties",
        "two masters without slaves: the second"
    ),
    template!("namesrv.conf", "a name server"),
];

row! {
    struct TemplateRow named by name {
        name: String,
        about: String,
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit> {
    let Command::Template { name, print } = &args.command;
    let Some(name) = name else {
        let row = |template: &Template| TemplateRow {
            name: template.name.into(),
            about: template.about.into(),
        };
        return output.report(
            print.format,
            &Report::from(TEMPLATES.iter().map(row).collect::<Vec<_>>()),
        );
    };
    let Some(template) = TEMPLATES.iter().find(|template| template.name == name) else {
        let known = TEMPLATES.iter().map(|template| template.name);
        let problem = format!("there is no template '{name}'");
        let otherwise = "mq config template lists them";
        return Err(CliError::not_found(problem).did_you_mean(name, known, otherwise));
    };
    output.raw(template.text.as_bytes())?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use broker_core::config::{BrokerConfig, Environment};
    use namesrv_core::NamesrvConfig;
    use remoting::protocol::properties;

    use super::*;

    #[test]
    fn every_setting_of_every_template_has_an_effect() {
        for template in &TEMPLATES {
            let warnings = if template.name == "namesrv.conf" {
                let read = NamesrvConfig::from_properties(template.text, template.name, &[]);
                read.unwrap().1.len()
            } else {
                let entries = properties::parse(template.text).unwrap();
                let environment = Environment {
                    namesrv_addr: None,
                    home: "/home/mq".into(),
                    host_name: "host".to_owned(),
                    local_address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                };
                let file = Some((template.name, entries.as_slice()));
                let read = BrokerConfig::from_properties(file, &[], &environment);
                read.unwrap().1.len()
            };
            assert_eq!(warnings, 0, "{}", template.name);
        }
    }
}
