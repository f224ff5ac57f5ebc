import MioFormat
import MioKernels
