"""Answers a file of OpenAI's batch lines on Spark.

    spark-submit answer.py requests.jsonl answers --partitions 1000 [options of mio-lite batch]
"""

import argparse
import subprocess
import sys

import pandas
from pyspark import TaskContext
from pyspark.sql import SparkSession
from pyspark.sql.functions import col, count, get_json_object, monotonically_increasing_id, trim

# What one process answers: its results are in memory until it ends.
ROWS_AT_ONCE = 256


def answer(lines, options):
    """The answers to requests, in their order.

    What is drawn in a row comes from --seed and the row's custom_id, so neither partitions nor retries change a byte.
    """
    command = ["mio-lite", "batch", "-", "-o", "-", "--quiet", *options]
    done = subprocess.run(command, input="\n".join(lines).encode(), stdout=subprocess.PIPE, check=False)
    answers = done.stdout.decode().split("\n")[:-1]
    # Status 1 says that an answer is an error: that is no reason to work on its neighbours again.
    if done.returncode not in (0, 1) or len(answers) != len(lines):
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}, {len(answers)} of {len(lines)} rows answered")
    return answers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requests")
    parser.add_argument("answers", help="folder; its parts, one behind the other, are what 'mio-lite batch' writes")
    parser.add_argument("--partitions", type=int, default=64, help="what is done again when an executor is lost")
    given, options = parser.parse_known_args()

    spark = SparkSession.builder.appName("mio-lite batch").getOrCreate()
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", ROWS_AT_ONCE)
    rows = spark.read.text(given.requests).filter(trim(col("value")) != "")
    ids = rows.select(get_json_object("value", "$.custom_id").alias("id"))
    twice = ids.groupBy("id").agg(count("*").alias("rows")).filter("rows > 1").limit(3).collect()
    if twice:
        sys.exit(f"{given.requests}: custom_id of more than one row: {', '.join(str(row.id) for row in twice)}")

    def answer_partition(frames):
        threads = ["--threads", str(TaskContext.get().cpus())]
        for frame in frames:
            yield pandas.DataFrame({"value": answer(frame["value"].tolist(), threads + options)})

    # Stretches of neighbouring rows, in the order of the file.
    placed = rows.withColumn("place", monotonically_increasing_id())
    parts = placed.repartitionByRange(given.partitions, "place").sortWithinPartitions("place").select("value")
    parts.mapInPandas(answer_partition, "value string").write.text(given.answers)


if __name__ == "__main__":
    main()
