"""What plugin authors import."""

from govcheck.bounds.answer import Ref as Ref
from govcheck.bounds.answer import Unknown as Unknown
from govcheck.bounds.answer import Value as Value
from govcheck.plugin.activation import TABLE as TABLE
from govcheck.plugin.activation import Activation as Activation
from govcheck.plugin.activation import Scalar as Scalar
from govcheck.plugin.activation import kink as kink
from govcheck.plugin.activation import require_positive as require_positive
from govcheck.plugin.activation import scalar as scalar
from govcheck.plugin.cost import Cost as Cost
from govcheck.plugin.cost import CostAt as CostAt
from govcheck.plugin.data import Dataset as Dataset
from govcheck.plugin.data import DataSource as DataSource
from govcheck.plugin.example import Example as Example
from govcheck.plugin.hooks import hookimpl as hookimpl
from govcheck.plugin.isometry import Isometry as Isometry
from govcheck.plugin.layer import API_VERSION as API_VERSION
from govcheck.plugin.layer import At as At
from govcheck.plugin.layer import Layer as Layer
from govcheck.plugin.layer import Parameter as Parameter
from govcheck.plugin.layer import Shape as Shape
from govcheck.plugin.layer import ShapeError as ShapeError
from govcheck.plugin.layer import Values as Values
from govcheck.plugin.layer import bound as bound
from govcheck.plugin.layer import same_dimension as same_dimension
from govcheck.plugin.matrix import MatrixForm as MatrixForm
