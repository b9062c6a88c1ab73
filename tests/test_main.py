import csv
import runpy
import sys

import numpy as np
import pytest

from kmad import datasets
from kmad.__main__ import main, read_log, segment_table
from kmad.datasets import make_customers, make_purchases

LINES = [
    ("customer", "date", "amount"),
    ("ann", "2025-01-01", "10.00"),
    ("bob", "2025-02-01T12:30", "20.5"),
    ("", "2025-02-02", "5"),
]


@pytest.fixture
def small_example(monkeypatch):
    """Shrink the example, for the run without the jit."""
    customers = make_customers(120)
    monkeypatch.setattr(datasets, "make_customers", lambda: customers)
    return customers


@pytest.fixture
def write_csv(tmp_path):
    def write(lines, name="log.csv"):
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
        return path

    return write


def read(path):
    return read_log(path, customer="customer", date="date", amount="amount")


def error_of(capsys, *arguments):
    with pytest.raises(SystemExit) as raised:
        main([str(argument) for argument in arguments])
    assert raised.value.code == 2
    return capsys.readouterr().err


def test_main_finds_the_segments_of_the_example(capsys):
    main([])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "Example: 2,849 generated customers in 5 known segments."
    assert lines[1].startswith("The density shows 5 segments")
    agreement = {line.split(",")[0].strip(): float(line.split()[-1]) for line in lines if "told" in line}
    assert agreement["KMad"] > 0.97
    assert agreement["k-means"] < 0.6
    assert lines[-1].startswith("Next: python -m kmad LOG.csv")


@pytest.mark.usefixtures("small_example")
def test_main_takes_the_number_of_segments(capsys):
    main(["--clusters", "3", "--raw"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "Asked for: 3 segments, amount and transactions as they are."
    assert lines[7].split()[:2] == ["all", "120"]
    assert any(line.startswith("  KMad, told 3 ") for line in lines)


@pytest.mark.usefixtures("small_example")
def test_main_asked_for_one_segment_says_so(capsys):
    main(["--clusters", "1"])
    assert "Asked for: 1 segment, amount and transactions on the logarithmic scale." in capsys.readouterr().out


@pytest.mark.usefixtures("small_example")
def test_module_runs_as_a_program(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["kmad", "--clusters", "2"])
    monkeypatch.delitem(sys.modules, "kmad.__main__")
    runpy.run_module("kmad", run_name="__main__")
    assert "Asked for: 2 segments" in capsys.readouterr().out


def test_main_reads_a_purchase_log(capsys, write_csv):
    log = make_purchases(150)
    lines = [("sum", "who", "when"), *zip(log.amount, log.customer, log.date, strict=True)]
    lines += [(5.0, "", log.date[0]), (-7.0, "only returns", log.date[0])]
    main([str(write_csv(lines)), "--customer", "who", "--date", "when", "--amount", "sum"])
    out = capsys.readouterr().out.splitlines()
    assert max(map(len, out)) <= 80
    assert out[0] == "log.csv: 150 customers, 2025-01-01 to 2025-07-02 (6.0 months)."
    assert out[1] == "Lines without a customer, left out: 1."
    assert out[2] == "Customers who bought no more than they returned, left out: 1."
    assert out[3].startswith("The density shows")
    assert out[-1].startswith("Next: --clusters K")
    sizes = [int(line.split()[1]) for line in out if line.endswith("%")]
    assert sum(sizes[:-1]) == sizes[-1] == 150


def test_main_says_nothing_of_what_is_not_left_out(capsys, write_csv):
    main([str(write_csv(LINES[:3]))])
    assert "left out" not in capsys.readouterr().out


def test_main_wants_someone_who_bought(capsys, write_csv):
    path = write_csv([LINES[0], ("ann", "2025-01-01", "-1")])
    assert "log.csv: no customer bought more than was returned" in error_of(capsys, path)


def test_main_names_a_missing_file(capsys, tmp_path):
    assert "No such file or directory" in error_of(capsys, tmp_path / "none.csv")


def test_main_names_a_date_that_leads_out_of_the_calendar(capsys, write_csv):
    path = write_csv([*LINES, ("ann", "9999-12-31T23:59:59-05:00", "1")])
    assert "log.csv: line 5: expected a date" in error_of(capsys, path)


def test_main_names_a_bad_number_of_segments(capsys, write_csv):
    assert "n_clusters" in error_of(capsys, write_csv(LINES), "--clusters", "0")
    assert "n_clusters" in error_of(capsys, write_csv(LINES), "--clusters", "3")


def test_log_keeps_lines_that_name_a_customer(write_csv):
    log = read(write_csv([*LINES, (), (" ann ", " 2025-02-03 ", " 1e1 ")]))
    assert log.customer.tolist() == ["ann", "bob", "ann"]
    assert np.array_equal(log.date, np.array(["2025-01-01", "2025-02-01T12:30", "2025-02-03"], "datetime64[us]"))
    assert log.amount.tolist() == [10.0, 20.5, 10.0]
    assert log.n_nameless == 1


def test_log_dates_with_an_offset_become_utc(write_csv):
    log = read(write_csv([LINES[0], ("ann", "2025-01-01T00:30:00+01:00", 1), ("ann", "2025-01-01T00:30Z", 1)]))
    assert np.array_equal(log.date, np.array(["2024-12-31T23:30", "2025-01-01T00:30"], "datetime64[us]"))


def test_log_may_start_with_a_byte_order_mark(write_csv):
    path = write_csv(LINES)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(path).customer.tolist() == ["ann", "bob"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "line 0: column 'customer' is not there; the columns are none"),
        (
            [("who", "date", "amount")],
            "column 'customer' is not there; the columns are 'who', 'date', 'amount'",
        ),
        ([("customer", "date", "date", "amount")], "column 'date' is there more than once"),
        (LINES[:1], "no line has a value in column 'customer'"),
        ([LINES[0], LINES[3]], "no line has a value in column 'customer'"),
        ([*LINES, ("ann", "2025-13-01", "1")], "line 5: expected a date .*, got '2025-13-01'"),
        ([*LINES, ("ann", "", "1")], "line 5: expected a date .*, got ''"),
        # In UTC these are in the years 0 and 10000.
        ([*LINES, ("ann", "0001-01-01T00:00:00+02:00", "1")], "line 5: expected a date .*, got '0001-01-01T00"),
        ([*LINES, ("ann", "9999-12-31T23:59:59-05:00", "1")], "line 5: expected a date .*, got '9999-12-31T23"),
        ([*LINES, ("ann", "2025-01-01", "1,5")], "line 5: expected a number .*, got '1,5'"),
        ([*LINES, ("ann", "2025-01-01", "inf")], "line 5: expected a number .*, got 'inf'"),
        ([*LINES, ("ann", "2025-01-01")], "line 5 has fewer cells than the header"),
        ([*LINES, ("ann" * 50_000, "2025-01-01", "1")], "line 5: field larger than field limit"),
    ],
)
def test_log_errors_name_the_place(write_csv, lines, message):
    with pytest.raises(ValueError, match=message):
        read(write_csv(lines))


def test_log_must_be_text(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes("customer,date,amount\nJosé,2025-01-01,1\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"^log\.csv: not UTF-8 text"):
        read(path)


def test_table_is_in_falling_order_of_the_amount():
    data = np.array([[1.0, 0.5], [3000.0, 20.0], [3.0, 1.5], [2000.0, 40.0]])
    assert segment_table(data, np.array([0, 2, 0, 1])).splitlines() == [
        "Segment  Customers  Monthly amount  Monthly transactions  Proportion",
        "      1          1        3,000.00                 20.00       25.0%",
        "      2          1        2,000.00                 40.00       25.0%",
        "      3          2            2.00                  1.00       50.0%",
        "    all          4        1,251.00                 15.50      100.0%",
    ]


def test_table_shows_three_digits_of_the_smallest():
    data = np.array([[1234.5, 12.345], [56789.0, 6789.0]])
    rows = [line.split() for line in segment_table(data, np.array([0, 1])).splitlines()]
    assert [row[2] for row in rows[1:3]] == ["56,789", "1,234"]
    assert [row[3] for row in rows[1:3]] == ["6,789.0", "12.3"]
