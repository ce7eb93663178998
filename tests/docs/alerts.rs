//! The alerts of the page about metrics, in the hands of Prometheus' own tool: each board is judged by itself, a dead one is noticed,
//! and a full one is left in peace.

use std::process::Command;

use forgesyted_tests::folder::Folder;

use crate::markdown::page;

/// What three boards report for half an hour, and which of them each alert names.
const BOARDS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'up{job="forgesyted",instance="dead"}', values: '0x30'}
      - {series: 'up{job="forgesyted",instance="full"}', values: '1x30'}
      - {series: 'stream_frames_dropped_total{job="forgesyted",instance="full",pipeline="p",source="websocket"}', values: '0+45x30'}
      - {series: 'stream_frames_received_total{job="forgesyted",instance="full",pipeline="p",source="websocket"}', values: '0+100x30'}
      - {series: 'forgesyted_ready{job="forgesyted",instance="full"}', values: '0x30'}
      - {series: 'stream_sessions_active{job="forgesyted",instance="full",pipeline="p",source="websocket"}', values: '4x30'}
      - {series: 'stream_frames_dropped_total{job="forgesyted",instance="stuck",pipeline="p",source="websocket"}', values: '0x30'}
      - {series: 'stream_frames_received_total{job="forgesyted",instance="stuck",pipeline="p",source="websocket"}', values: '0+1000x30'}
      - {series: 'forgesyted_ready{job="forgesyted",instance="stuck"}', values: '0x30'}
      - {series: 'stream_sessions_active{job="forgesyted",instance="stuck",pipeline="p",source="websocket"}', values: '0x30'}
    alert_rule_test:
      - {eval_time: 25m, alertname: ForgesytedDown, exp_alerts: [{exp_labels: {job: forgesyted, instance: dead}}]}
      - {eval_time: 25m, alertname: ForgesytedOverloaded, exp_alerts: [{exp_labels: {job: forgesyted, instance: full}}]}
      - {eval_time: 25m, alertname: ForgesytedNotReady, exp_alerts: [{exp_labels: {job: forgesyted, instance: stuck}}]}
"#;

#[test]
fn alerts_name_the_board_that_needs_a_hand() {
    let Some(promtool) = std::env::var_os("FORGESYTED_TEST_PROMTOOL") else {
        eprintln!("SKIPPED: promtool is not there; `cargo xtask test` gets it");
        return;
    };
    let blocks = page("docs/metrics-and-logging.md").blocks("yaml");
    let rules = blocks.iter().find(|block| block.starts_with("groups:")).unwrap();
    let folder = Folder::new();
    folder.write("rules.yml", rules);
    let tests = folder.write("boards.yml", BOARDS);
    let answer = Command::new(promtool).args(["test", "rules"]).arg(tests).output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr).into_owned() + &String::from_utf8_lossy(&answer.stdout);
    assert!(answer.status.success(), "{said}");
}
