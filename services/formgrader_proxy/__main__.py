"""``python -m services.formgrader_proxy``"""

from services.formgrader_proxy.app import FormgraderProxy

if __name__ == "__main__":
    FormgraderProxy.launch()
