"""A Spark cluster of one machine, with a key of its own, for tests of what is handed to it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cluster:
    """The folder that jobs are started in, and the Spark that runs them."""

    folder: Path
    spark_home: Path

    @property
    def environment(self) -> dict[str, str]:
        """With it `spark-submit` is this Spark's, quiet and small; all other commands are ours."""
        paths = (self.spark_home / "bin", Path(sys.executable).parent, os.environ["PATH"])
        return {
            **os.environ,
            "NO_COLOR": "1",
            "PATH": ":".join(map(str, paths)),
            "PYSPARK_PYTHON": str(self.spark_home.parents[3] / "bin" / "python"),
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_HOME": str(self.spark_home),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(word) for word in words],
            env=self.environment, cwd=self.folder,
            text=True, capture_output=True, timeout=900, check=False,
        )  # fmt: skip

    def map_keys(self, crew, copy: Path, to: Path) -> dict:
        """`cloud-sync cluster keys` of all streams in a copy."""
        done = self.run(
            "cloud-sync", "cluster", "keys", copy, "--key", crew.key_file,
            "--truck", crew.truck.public.hex(), "--cluster", self.folder / "cluster.pub",
            "--to", to, "--json",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def write_settings(folder: Path) -> None:
    """Spark's settings for one small machine."""
    settings = {
        "spark.master": "local[2]", "spark.driver.memory": "1g", "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",  # it lives too short for more
    }  # fmt: skip
    (folder / "conf").mkdir()
    (folder / "conf" / "spark-defaults.conf").write_text(
        "".join(f"{name} {value}\n" for name, value in settings.items())
    )
