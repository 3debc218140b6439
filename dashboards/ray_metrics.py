"""The metrics of Ray that the dashboards use: names as Ray's own dashboards write them."""

RAY_METRICS: frozenset[str] = frozenset(
    {
        "ray_node_cpu_utilization",
        "ray_node_cpu_count",
        "ray_node_mem_used",
        "ray_node_mem_total",
        "ray_node_gpus_utilization",
        "ray_node_disk_free",
        "ray_object_store_memory",
        "ray_tasks",
        "ray_actors",
        "ray_resources",
        "ray_memory_manager_worker_eviction_total",
        "ray_serve_deployment_replica_healthy",
        "ray_serve_deployment_queued_queries",
        "ray_serve_replica_processing_queries",
        "ray_data_output_rows",
        "ray_data_spilled_bytes",
        "ray_train_worker_group_start_total_time_s",
        "ray_train_report_total_blocked_time_s",
    }
)
