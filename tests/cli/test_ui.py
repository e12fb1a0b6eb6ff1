"""Tables: numbers under one another, texts from the left."""

from analogrnn.cli.ui import Ui


def test_a_column_of_numbers_is_aligned_on_the_right_and_a_text_on_the_left(capsys):
    Ui(as_json=False).columns("", ("block", "power", "share"), [("stages", "413 nW", "38.8 %"), ("all", "1.06 uW", "")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [
        "block     power   share",
        "stages   413 nW  38.8 %",
        "all     1.06 uW",
    ]
