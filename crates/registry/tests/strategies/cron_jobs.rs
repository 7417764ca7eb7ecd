//! Cron jobs.

use super::batch::template;
use super::*;
use expect_test::expect;

const CRON_JOBS: &str = "batch/v1/cronjobs";

#[test]
fn cron_jobs() {
    let cron = |change: Value| {
        let spec = json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template()}}});
        json!({"spec": with(&spec, change)})
    };
    let wrong = |change: Value| created(CRON_JOBS, &cron(change));
    for schedule in ["@every 1h30m", "@midnight", "0 0 ? * sun", "*/5 1,2 1-5/2 jan-mar *"] {
        assert_eq!(wrong(json!({"schedule": schedule})), "ok", "{schedule}");
    }
    let all: Vec<String> = [
        "@every x",
        "@every 5",
        "@reboot",
        "TZ=UTC 0 0 * * *",
        "CRON_TZ=Mars/Base @daily",
        "TZ=UTC",
        "0 0 * *",
        "60 0 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 7",
        "5-1 0 * * *",
        "*/0 * * * *",
        "1/2/3 * * * *",
        "x * * * *",
    ]
    .iter()
    .map(|schedule| wrong(json!({"schedule": schedule})))
    .collect();
    expect![[r#"
        spec.schedule: Invalid value: "@every x": failed to parse duration @every x: time: invalid duration "x"
        spec.schedule: Invalid value: "@every 5": failed to parse duration @every 5: time: missing unit in duration "5"
        spec.schedule: Invalid value: "@reboot": unrecognized descriptor: @reboot
        spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead
        spec.schedule: Invalid value: "CRON_TZ=Mars/Base @daily": provided bad location Mars/Base: unknown time zone Mars/Base
        spec.schedule: Invalid value: "CRON_TZ=Mars/Base @daily": cannot use TZ or CRON_TZ in schedule, use timeZone field instead
        spec.schedule: Invalid value: "TZ=UTC": empty spec string
        spec.schedule: Invalid value: "TZ=UTC": cannot use TZ or CRON_TZ in schedule, use timeZone field instead
        spec.schedule: Invalid value: "0 0 * *": expected exactly 5 fields, found 4: [0 0 * *]
        spec.schedule: Invalid value: "60 0 * * *": end of range (60) above maximum (59): 60
        spec.schedule: Invalid value: "0 0 0 * *": beginning of range (0) below minimum (1): 0
        spec.schedule: Invalid value: "0 0 * 13 *": end of range (13) above maximum (12): 13
        spec.schedule: Invalid value: "0 0 * * 7": end of range (7) above maximum (6): 7
        spec.schedule: Invalid value: "5-1 0 * * *": beginning of range (5) beyond end of range (1): 5-1
        spec.schedule: Invalid value: "*/0 * * * *": step of range should be a positive number: */0
        spec.schedule: Invalid value: "1/2/3 * * * *": too many slashes: 1/2/3
        spec.schedule: Invalid value: "x * * * *": failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax"#]].assert_eq(&all.join("\n"));
    let zones: Vec<String> = ["", "Local", "local", "Mars/Base", "europe/zurich", "../etc", " UTC", "UTC0"]
        .iter()
        .map(|zone| wrong(json!({"timeZone": zone})))
        .collect();
    expect![[r#"
        spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string
        spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones
        spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones
        spec.timeZone: Invalid value: "local": unknown time zone local
        spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base
        spec.timeZone: Invalid value: "europe/zurich": unknown time zone europe/zurich
        spec.timeZone: Invalid value: "../etc": unknown time zone ../etc
        spec.timeZone: Invalid value: " UTC": unknown time zone  UTC
        spec.timeZone: Invalid value: "UTC0": unknown time zone UTC0"#]].assert_eq(&zones.join("\n"));
    expect![[r#"
        spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0
        spec.concurrencyPolicy: Unsupported value: "Never": supported values: "Allow", "Forbid", "Replace"
        spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated
        spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"
        spec.successfulJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"#]]
    .assert_eq(&wrong(
        json!({"jobTemplate": {"spec": {"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}}},
        "concurrencyPolicy": "Never", "startingDeadlineSeconds": -1, "successfulJobsHistoryLimit": -1}),
    ));
    let long = with(&cron(json!({})), json!({"metadata": {"name": "x".repeat(53)}}));
    expect![[r#"metadata.name: Invalid value: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": must be no more than 52 characters"#]].assert_eq(&created(CRON_JOBS, &long));
    expect![[r#"
        spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0
        metadata.name: Invalid value: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx": must be no more than 52 characters"#]].assert_eq(&created(CRON_JOBS, &with(&long, json!({"spec": {"startingDeadlineSeconds": -1}}))));
    assert_eq!(updated(CRON_JOBS, &long, &json!({"spec": {"suspend": true}})), "ok");
    // What was allowed of old stays so, but for both ways at once.
    let zoned = cron(json!({"schedule": "TZ=UTC 0 0 * * *"}));
    assert_eq!(updated(CRON_JOBS, &zoned, &json!({"spec": {"schedule": "CRON_TZ=UTC 1 0 * * *"}})), "ok");
    expect![[r#"spec.schedule: Invalid value: "TZ=UTC 0 0 * * *": cannot use both timeZone field and TZ or CRON_TZ in schedule"#]].assert_eq(&updated(CRON_JOBS, &zoned, &json!({"spec": {"timeZone": "UTC"}})));
    let mars = cron(json!({"timeZone": "Mars/Base"}));
    assert_eq!(updated(CRON_JOBS, &mars, &json!({"spec": {"suspend": true}})), "ok");
}
