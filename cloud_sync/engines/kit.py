"""What goes to a cluster: the key client as a jar, and the job.

The client is one Java class against the jars of that Spark, compiled where a JDK is; the job needs
nothing but PySpark, so no package of ours is installed on the cluster.
"""

import io
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from hardware import keys
from hardware.errors import Misconfigured

JAR, JOB = "cluster-keys.jar", "race_tables.py"
_ROOM = Path(__file__).parent
_SOURCE = _ROOM / "ClusterKeys.java"
_JAVA = "17"  # the oldest Spark 4 runs on
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_kit(spark: Path, to: Path) -> tuple[Path, Path]:
    """Write cluster-keys.jar, made for the Spark at `spark`, and race_tables.py into a folder.

    Raises:
        Misconfigured: no JDK, no Spark there, or the folder cannot be written.
    """
    jars = spark / "jars"
    if not any(jars.glob("parquet-hadoop-*.jar")):
        raise Misconfigured(
            f"{spark} is no Spark: it has no jars/parquet-hadoop", "Give its SPARK_HOME."
        )
    javac = shutil.which("javac")
    if javac is None:
        raise Misconfigured(
            "there is no Java compiler here (javac)",
            "Install a JDK, 17 or newer (Debian: default-jdk-headless), or do this where one is.",
        )
    jar, job = to / JAR, to / JOB
    keys.write_file(jar, _compiled(javac, jars), 0o644)
    keys.write_file(job, (_ROOM / JOB).read_bytes(), 0o644)
    return jar, job


def _compiled(javac: str, jars: Path) -> bytes:
    """The class in a jar; the same bytes each time."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [javac, "--release", _JAVA, "-cp", f"{jars}/*", "-d", folder, str(_SOURCE)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            first = (done.stderr.strip().splitlines() or ["javac failed"])[0]
            raise Misconfigured(f"the key client does not compile: {first}", "Use Spark 4.")
        jar = io.BytesIO()
        with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).rglob("*.class")):
                name = path.relative_to(folder).as_posix()
                archive.writestr(zipfile.ZipInfo(name, _ZIP_EPOCH), path.read_bytes())
    return jar.getvalue()
