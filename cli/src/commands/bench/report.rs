//! What was measured: rows, files, and the comparison with an earlier run.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Deserialize;

use super::Run;
use super::measure::{Counted, Meter, Phases};
use crate::error::{CliError, Exit, Result};
use crate::output::{Output, Report, row};

row! {
    /// One kind of requests. Times are in milliseconds.
    struct Measured named by what {
        what: String,
        messages: u64,
        seconds: f64 as wide,
        per_second: f64,
        mib_per_second: f64,
        failed: u64,
        mean_ms: f64 as wide,
        min_ms: f64 as wide,
        p50_ms: f64,
        p90_ms: f64 as wide,
        p99_ms: f64,
        p999_ms: f64,
        p9999_ms: f64 as wide,
        max_ms: f64,
    }
}

/// What is read of a saved row.
#[derive(Debug, Deserialize)]
struct Saved {
    what: String,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
}

impl Measured {
    fn of(meter: &Meter, counted: &Counted, phases: Phases) -> Self {
        let seconds = phases.measured().as_secs_f64();
        let latencies = &counted.latencies;
        let ms = |nanoseconds: u64| nanoseconds as f64 / 1e6;
        let quantile = |quantile| ms(latencies.value_at_quantile(quantile));
        Self {
            what: meter.what.to_owned(),
            messages: counted.messages,
            seconds,
            per_second: counted.messages as f64 / seconds,
            mib_per_second: counted.bytes as f64 / seconds / f64::from(1 << 20),
            failed: counted.failed,
            mean_ms: latencies.mean() / 1e6,
            min_ms: ms(latencies.min()),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            p9999_ms: quantile(0.9999),
            max_ms: ms(latencies.max()),
        }
    }
}

/// Prints and writes what was measured.
///
/// # Errors
/// When nothing was, or a file cannot be written or compared with.
pub(super) fn finish(
    run: &Run,
    phases: Phases,
    meters: &[Arc<Meter>],
    output: &Output,
) -> Result<Exit> {
    let counted: Vec<Counted> = meters.iter().map(|meter| meter.counted()).collect();
    let rows: Vec<Measured> = meters
        .iter()
        .zip(&counted)
        .map(|(meter, counted)| Measured::of(meter, counted, phases))
        .collect();
    if let Some(file) = &run.save {
        let json = serde_json::to_vec_pretty(&rows).map_err(|e| not_written(file, &e))?;
        std::fs::write(file, json).map_err(|e| not_written(file, &e))?;
    }
    if let Some(file) = &run.histogram {
        write_histograms(file, phases, meters, &counted).map_err(|e| not_written(file, &*e))?;
    }
    let differences = match &run.compare {
        Some(file) => compare(file, &rows)?,
        None => Vec::new(),
    };
    let exit = output.report(run.print.format, &Report::from(rows))?;
    for line in differences {
        output.note(&line);
    }
    let mut failed = false;
    for (meter, counted) in meters.iter().zip(&counted) {
        if let Some(reason) = &counted.reason {
            failed |= counted.failed > 0;
            output.note(&format!("warning: {}: {reason}", meter.what));
        }
    }
    if counted.iter().all(|counted| counted.messages == 0) {
        return Err(CliError::failed(
            "nothing was measured: no request was answered in time",
        ));
    }
    Ok(if failed { Exit::Partly } else { exit })
}

fn not_written(file: &Path, error: &(dyn std::error::Error + 'static)) -> CliError {
    CliError::failed(format!("cannot write {}", file.display())).because(error)
}

/// One interval for each kind of requests, under its name as tag.
fn write_histograms(
    path: &Path,
    phases: Phases,
    meters: &[Arc<Meter>],
    counted: &[Counted],
) -> Result<(), Box<dyn std::error::Error>> {
    let mut file = File::create(path)?;
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .with_base_time(SystemTime::now() - phases.begin.elapsed())
        .with_max_value_divisor(1e6)
        .begin_log_with(&mut file, &mut serializer)?;
    let start = phases.warm - phases.begin;
    for (meter, counted) in meters.iter().zip(counted) {
        let tag = Tag::new(meter.what);
        log.write_histogram(&counted.latencies, start, phases.measured(), tag)
            .map_err(|e| format!("{e:?}"))?;
    }
    Ok(())
}

/// One line for each row that the file has as well.
fn compare(file: &Path, rows: &[Measured]) -> Result<Vec<String>> {
    let unreadable = || CliError::failed(format!("cannot compare with {}", file.display()));
    let text = std::fs::read(file).map_err(|e| unreadable().because(&e))?;
    let before: Vec<Saved> = serde_json::from_slice(&text).map_err(|e| {
        unreadable()
            .because(&e)
            .hint("a file that --save wrote is needed")
    })?;
    let line = |row: &Measured| {
        let before = before.iter().find(|before| before.what == row.what)?;
        Some(format!(
            "{}: {} messages a second than in {}, p50 {}, p99 {}, p99.9 {}",
            row.what,
            change(before.per_second, row.per_second),
            file.display(),
            change(before.p50_ms, row.p50_ms),
            change(before.p99_ms, row.p99_ms),
            change(before.p999_ms, row.p999_ms),
        ))
    };
    let lines: Vec<String> = rows.iter().filter_map(line).collect();
    if lines.is_empty() {
        return Err(unreadable().hint("it holds other measurements than this one"));
    }
    Ok(lines)
}

fn change(before: f64, now: f64) -> String {
    if before == 0.0 {
        return "from nothing".to_owned();
    }
    format!("{:+.1} %", (now / before - 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_relative_to_before() {
        assert_eq!(change(200.0, 250.0), "+25.0 %");
        assert_eq!(change(4.0, 3.0), "-25.0 %");
        assert_eq!(change(0.0, 3.0), "from nothing");
    }
}
