return {reconcile = {}}
